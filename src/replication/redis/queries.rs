//! Queries of the store: single routes, lists, and look-ups of the watched routes that peers reported.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use super::{
    connect::Store,
    error::ClientError,
    options::ClientOptions,
    record::{Record, Records},
    shared::{Shared, unix_ms},
    store,
};
use crate::replication::{Message, NodeId, RouteKey, RouteName, peers::MAX_REPORTS_PER_ROUTE};

/// The most look-ups of watched routes that are under way at once.
const MAX_LOOK_UPS: usize = 64;

/// The stored state of a route, the newest of those of `nodes` and of `own`.
pub(super) async fn get(
    store: &mut Store,
    options: &ClientOptions,
    shared: &Shared,
    nodes: &[NodeId],
    name: &RouteName,
    own: Option<Record>,
) -> Result<Option<Record>, ClientError> {
    let stored = store::get(store, &options.key_prefix, nodes, name, shared).await?;
    let records = stored.into_iter().map(|(_, record)| record).chain(own);
    Ok(records.max_by(|a, b| a.at_unix_ms.total_cmp(&b.at_unix_ms)))
}

/// The names of all routes in the store, at most `max_routes`.
pub(super) async fn list(
    store: &mut Store,
    options: &ClientOptions,
    shared: &Shared,
) -> Result<Vec<RouteName>, ClientError> {
    let hashes = store::scan(store, &options.key_prefix, 0).await?.hashes;
    let records = Mutex::new(Records::new());
    let take = |node, name: &[u8], record| {
        let mut records = records.lock();
        store::keep(&mut records, options.max_routes, node, name, record);
        records.len()
    };
    store::read(store, &options.key_prefix, &hashes, options.max_routes, shared, take).await?;
    Ok(records.into_inner().into_keys().collect())
}

/// The records of a look-up as they are stored: the wire rounds, the store does not, if it has the same report already.
pub(super) async fn exact(
    store: &mut Store,
    options: &ClientOptions,
    shared: &Shared,
    look_up: &LookUp,
) -> Result<Vec<(NodeId, Record)>, ClientError> {
    let nodes: Vec<NodeId> = look_up.received.iter().map(|(node, _)| *node).collect();
    let stored = store::get(store, &options.key_prefix, &nodes, &look_up.name, shared).await?;
    let exact_of = |&(node, received): &(NodeId, Record)| {
        let exact = stored.iter().find(|(other, _)| *other == node).map(|(_, record)| *record);
        let exact = exact.filter(|record| record.report().ticks >= received.report().ticks);
        (node, exact.unwrap_or(received))
    };
    Ok(look_up.received.iter().map(exact_of).collect())
}

/// A look-up of a watched route.
pub(super) struct LookUp {
    pub key: RouteKey,
    pub name: RouteName,
    /// The reports of peers on it, by node.
    received: Vec<(NodeId, Record)>,
}

/// The reports of peers on a watched route since the look-up that is under way began.
struct Noticed {
    name: RouteName,
    waiting: Vec<(NodeId, Record)>,
    is_queued: bool,
}

impl Noticed {
    /// Keeps the newest of each node, of at most as many nodes as report of a route.
    fn add(&mut self, node: NodeId, record: Record) {
        self.waiting.retain(|(other, _)| *other != node);
        if self.waiting.len() >= MAX_REPORTS_PER_ROUTE {
            self.waiting.remove(0);
        }
        self.waiting.push((node, record));
    }
}

/// Reports of routes that are not watched yet, at most.
const MAX_EARLY: usize = 256;

/// The watched routes, and the look-ups of those that peers reported: at most one a route is under way, and a bounded number
/// of all.
#[derive(Default)]
pub(super) struct Watches {
    watched: HashMap<RouteKey, RouteName>,
    noticed: HashMap<RouteKey, Noticed>,
    queue: VecDeque<RouteKey>,
    running: usize,
    /// The latest reports of routes that were not watched, oldest first: a route may be in use before it is watched.
    early: VecDeque<(RouteKey, NodeId, Record)>,
}

impl Watches {
    /// Watches a route, or no longer.
    pub fn watch(&mut self, name: RouteName, on: bool) {
        let key = RouteKey::of(&name);
        if on {
            self.watched.insert(key, name);
            for (early, node, record) in std::mem::take(&mut self.early) {
                if early == key {
                    self.queue_look_up(key, node, record);
                } else {
                    self.early.push_back((early, node, record));
                }
            }
        } else {
            self.watched.remove(&key);
        }
    }

    /// Queues look-ups of the watched routes in a message.
    pub fn notice(&mut self, message: &Message) {
        for (key, report) in &message.reports {
            let record = Record::of(report, unix_ms());
            if self.watched.contains_key(key) {
                self.queue_look_up(*key, message.node, record);
                continue;
            }
            if self.early.len() >= MAX_EARLY {
                self.early.pop_front();
            }
            self.early.push_back((*key, message.node, record));
        }
    }

    fn queue_look_up(&mut self, key: RouteKey, node: NodeId, record: Record) {
        let Some(name) = self.watched.get(&key) else { return };
        let noticed = self.noticed.entry(key).or_insert_with(|| Noticed {
            name: name.clone(),
            waiting: Vec::new(),
            is_queued: false,
        });
        noticed.add(node, record);
        if !noticed.is_queued {
            noticed.is_queued = true;
            self.queue.push_back(key);
        }
    }

    /// The next look-up to start; None when enough are under way, or none is due.
    pub fn next(&mut self) -> Option<LookUp> {
        if self.running >= MAX_LOOK_UPS {
            return None;
        }
        loop {
            let key = self.queue.pop_front()?;
            if let Some(noticed) = self.noticed.get_mut(&key) {
                self.running += 1;
                let received = std::mem::take(&mut noticed.waiting);
                return Some(LookUp { key, name: noticed.name.clone(), received });
            }
        }
    }

    /// Discards the queued look-ups: there is no session.
    pub fn discard_queued(&mut self) {
        if self.running < MAX_LOOK_UPS {
            for key in self.queue.drain(..) {
                self.noticed.remove(&key);
            }
        }
    }

    /// Concludes a look-up, and queues another if the route was reported meanwhile; the route's name.
    pub fn finish(&mut self, key: RouteKey) -> Option<RouteName> {
        self.running -= 1;
        let noticed = self.noticed.get(&key)?;
        let name = noticed.name.clone();
        if noticed.waiting.is_empty() {
            self.noticed.remove(&key);
        } else {
            self.queue.push_back(key);
        }
        Some(name)
    }
}
