//! Storing what was said, and answering what is asked.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::cmd;

use super::{
    agent::{Agent, Done, unix_ms},
    book::Batch,
    connect::query,
    error::{Kind, LinkError},
    record::Record,
    request::{Event, Reply, Request, RouteName},
    stats::count,
    store::{self, Place, Records},
};
use crate::state::{Message, NodeId, RouteKey, words::MAX_VOICES};

impl Agent {
    /// Stores what is due, unless something is under way.
    pub fn store(&mut self) {
        if self.now_ms() >= self.store_backoff.due_ms {
            self.write(false);
        }
    }

    /// Stores all that is not, unless something is under way.
    pub fn store_all(&mut self) {
        self.write(true);
    }

    fn write(&mut self, all: bool) {
        let Some(session) = self.session.as_ref().filter(|_| !self.storing) else { return };
        let now_ms = self.now_ms();
        let batch = self.book.take_unstored(now_ms, all);
        if batch.is_empty() {
            return;
        }
        let urgent = std::mem::take(&mut self.urgent);
        let mut to = session.store.clone();
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        self.storing = true;
        self.tasks.spawn(async move {
            let place = Place { prefix: &options.key_prefix, shared: &shared, expire_ms: options.expire_ms };
            // A refusal is asked about once more: it may have been a moment's.
            let stored = match store::write(&mut to, &place, &batch).await {
                Err(error) if error.kind != Kind::Lost => store::write(&mut to, &place, &batch).await,
                stored => stored,
            };
            Done::Stored(generation, batch, urgent, stored)
        });
    }

    pub fn stored(
        &mut self,
        generation: u64,
        batch: Batch,
        urgent: Vec<(RouteKey, Reply<()>)>,
        stored: Result<usize, LinkError>,
    ) {
        self.storing = false;
        match stored {
            Ok(bytes) => {
                count(&self.shared.counters.stored_routes, batch.writes.len());
                count(&self.shared.counters.stored_bytes, bytes);
                for (key, reply) in urgent {
                    if self.book.is_unstored(key) {
                        self.urge(key, reply);
                    } else {
                        self.announcing.push(reply);
                    }
                }
                if !self.announcing.is_empty() {
                    self.publish();
                }
                self.store_backoff.reset();
                self.judge_store(None);
                if !self.urgent.is_empty() {
                    self.store();
                }
            }
            Err(error) => {
                self.book.store_back(batch);
                for (_, reply) in urgent {
                    reply.send(Err(error.clone()));
                }
                self.store_backoff.fail(self.now_ms());
                if error.kind == Kind::Lost {
                    self.blame(generation, Some(error));
                } else {
                    self.judge_store(Some(error.message));
                }
            }
        }
    }

    /// Answers, now or when the server has.
    pub fn serve(&mut self, request: Request) {
        if let Request::Watch(name, on) = request {
            if on {
                self.watched.insert(RouteKey::of(&name), name);
            } else {
                self.watched.remove(&RouteKey::of(&name));
            }
            return;
        }
        if let Request::Delete(name, _) = &request {
            // What was said until now is forgotten as well; without a connection, too, or it would be said again with one.
            self.absorb();
            self.book.forget(RouteKey::of(name), name.clone());
        }
        let Some(session) = self.session.clone() else {
            // Dropped requests say that there is no connection.
            return;
        };
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        match request {
            Request::Update(name, record, reply) => {
                let key = RouteKey::of(&name);
                self.book.note(key, &name, Record { at_unix_ms: unix_ms(), ..record }, self.now_ms());
                self.urge(key, reply);
                self.write(false);
            }
            Request::Get(name, reply) => {
                let mut bus = session.bus;
                self.tasks.spawn(async move {
                    let caught = query(&mut bus, &mut cmd("PING")).await.map(drop);
                    Done::Caught(generation, name, reply, caught)
                });
            }
            Request::Delete(name, reply) => {
                let nodes = self.everybody();
                let mut to = session.store;
                self.tasks.spawn(async move {
                    let deleted = store::delete(&mut to, &options.key_prefix, &nodes, &name).await;
                    reply.send(deleted.clone());
                    Done::Answered(generation, deleted.err())
                });
            }
            Request::List(reply) => {
                let mut from = session.store;
                self.tasks.spawn(async move {
                    let records = Mutex::new(Records::new());
                    let listing = async {
                        let hashes = store::scan(&mut from, &options.key_prefix, 0).await?.hashes;
                        let take = |node, name: &[u8], record| {
                            let mut records = records.lock();
                            store::keep(&mut records, options.max_routes, node, name, record);
                            records.len()
                        };
                        let limit = options.max_routes;
                        store::read(&mut from, &options.key_prefix, &hashes, limit, &shared, take).await
                    };
                    let listed = listing.await;
                    let names = records.into_inner().into_keys().collect();
                    reply.send(listed.clone().map(|()| names));
                    Done::Answered(generation, listed.err())
                });
            }
            Request::Watch(..) | Request::Close(_) => {}
        }
    }

    fn urge(&mut self, key: RouteKey, reply: Reply<()>) {
        self.book.hasten(key);
        self.urgent.push((key, reply));
    }

    /// This node and all it has heard of.
    fn everybody(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().chain([self.node]).collect()
    }

    /// Looks a route up at everybody who may have stored it.
    pub fn look_up(&mut self, generation: u64, name: RouteName, reply: Reply<Option<Record>>) {
        let Some(session) = &self.session else { return };
        let key = RouteKey::of(&name);
        // What the store has is the store's to say: another node may have removed it.
        let own = self.book.record(key).filter(|_| self.book.is_unstored(key));
        let (mut from, nodes) = (session.store.clone(), self.everybody());
        let (options, shared) = (self.options.clone(), self.shared.clone());
        self.tasks.spawn(async move {
            let got = store::get(&mut from, &options.key_prefix, &nodes, &name, &shared).await;
            let newest = got.clone().map(|said| {
                let said = said.into_iter().map(|(_, record)| record).chain(own);
                said.max_by(|a, b| a.at_unix_ms.total_cmp(&b.at_unix_ms))
            });
            reply.send(newest);
            Done::Answered(generation, got.err())
        });
    }

    /// Tells whoever watches a route that another node said something of it. At most one look-up a route is under way, and a
    /// bounded number of all; of what is said meanwhile the newest of each node waits.
    pub fn notice(&mut self, message: &Message) {
        if self.session.is_none() || self.watched.is_empty() {
            return;
        }
        for (key, word) in &message.words {
            let Some(name) = self.watched.get(key) else { continue };
            let noticed = self.noticed.entry(*key).or_insert_with(|| Noticed::of(name.clone()));
            noticed.heard(message.node, Record::of(word, unix_ms()));
            if !noticed.queued {
                noticed.queued = true;
                self.to_look_up.push_back(*key);
            }
        }
        self.look_up_noticed();
    }

    /// Starts as many look-ups as may be under way.
    fn look_up_noticed(&mut self) {
        while self.looking_up < MAX_LOOK_UPS {
            let Some(key) = self.to_look_up.pop_front() else { return };
            let (Some(noticed), Some(session)) = (self.noticed.get_mut(&key), &self.session) else {
                self.noticed.remove(&key);
                continue;
            };
            let (name, heard) = (noticed.name.clone(), std::mem::take(&mut noticed.waiting));
            let (mut from, generation) = (session.store.clone(), self.generation);
            let (options, shared) = (self.options.clone(), Arc::clone(&self.shared));
            self.looking_up += 1;
            self.tasks.spawn(async move {
                // The wire rounds; the store does not, if it has the same word already.
                let nodes: Vec<NodeId> = heard.iter().map(|(node, _)| *node).collect();
                let stored = store::get(&mut from, &options.key_prefix, &nodes, &name, &shared).await;
                let exact = stored.map(|stored| {
                    let exact_of = |(node, heard): (NodeId, Record)| {
                        let exact = stored.iter().find(|(other, _)| *other == node).map(|(_, record)| *record);
                        let exact = exact.filter(|record| record.word().ticks >= heard.word().ticks);
                        (node, exact.unwrap_or(heard))
                    };
                    heard.into_iter().map(exact_of).collect()
                });
                Done::LookedUp(generation, key, exact)
            });
        }
    }

    pub fn looked_up(&mut self, generation: u64, key: RouteKey, found: Result<Vec<(NodeId, Record)>, LinkError>) {
        self.looking_up -= 1;
        if let Some(noticed) = self.noticed.get(&key) {
            let (name, is_done) = (noticed.name.clone(), noticed.waiting.is_empty());
            if is_done {
                self.noticed.remove(&key);
            } else {
                self.to_look_up.push_back(key);
            }
            for (node, record) in found.iter().flatten() {
                self.shared.emit(Event::Changed(name.clone(), *node, *record));
            }
        }
        self.blame(generation, found.err());
        self.look_up_noticed();
    }
}

/// Look-ups of watched routes that may be under way at once.
const MAX_LOOK_UPS: usize = 64;

/// What others said of a watched route since the look-up that is under way began.
pub(super) struct Noticed {
    name: RouteName,
    waiting: Vec<(NodeId, Record)>,
    queued: bool,
}

impl Noticed {
    fn of(name: RouteName) -> Self {
        Self { name, waiting: Vec::new(), queued: false }
    }

    /// The newest of each node waits, of at most so many nodes as are heard on a route.
    fn heard(&mut self, node: NodeId, record: Record) {
        self.waiting.retain(|(other, _)| *other != node);
        if self.waiting.len() >= MAX_VOICES {
            self.waiting.remove(0);
        }
        self.waiting.push((node, record));
    }
}
