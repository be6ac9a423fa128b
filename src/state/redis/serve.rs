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
    request::{Reply, Request, RouteName},
    stats::count,
    store::{self, Place, Records},
};
use crate::state::{Message, NodeId, RouteKey};

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
        let (options, node, generation) = (self.options.clone(), self.node, self.generation);
        self.storing = true;
        self.tasks.spawn(async move {
            let place = Place { prefix: &options.key_prefix, node, expire_ms: options.expire_ms };
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
                        let hashes = store::hashes(&mut from, &options.key_prefix).await?;
                        let take = |node, name: &[u8], record| {
                            let mut records = records.lock();
                            store::keep(&mut records, options.max_routes, node, name, record);
                            records.len()
                        };
                        let limit = options.max_routes;
                        store::read(&mut from, &options.key_prefix, &hashes, limit, &shared.counters, take).await
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
            let got = store::get(&mut from, &options.key_prefix, &nodes, &name, &shared.counters).await;
            let newest = got.clone().map(|said| {
                let said = said.into_iter().map(|(_, record)| record).chain(own);
                said.max_by(|a, b| a.at_unix_ms.total_cmp(&b.at_unix_ms))
            });
            reply.send(newest);
            Done::Answered(generation, got.err())
        });
    }

    /// Tells whoever watches a route that another node said something of it.
    pub fn notice(&mut self, message: &Message) {
        let Some(session) = self.session.as_ref().filter(|_| !self.watched.is_empty()) else { return };
        for (key, word) in &message.words {
            let Some(name) = self.watched.get(key).cloned() else { continue };
            let heard = Record::of(word, unix_ms());
            let (mut from, node, generation) = (session.store.clone(), message.node, self.generation);
            let (options, shared) = (self.options.clone(), Arc::clone(&self.shared));
            self.tasks.spawn(async move {
                // The wire rounds; the store does not, if it has the same word already.
                match store::get(&mut from, &options.key_prefix, &[node], &name, &shared.counters).await {
                    Ok(stored) => {
                        let exact = stored.first().map(|(_, record)| *record);
                        let exact = exact.filter(|record| record.word().ticks >= heard.word().ticks);
                        Done::Changed(name, node, exact.unwrap_or(heard))
                    }
                    Err(error) => Done::Answered(generation, Some(error)),
                }
            });
        }
    }
}
