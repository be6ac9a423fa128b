//! Where the thread that decides and the thread that talks to the others meet.
//!
//! Neither ever waits for the other's work: a lock is held to swap or to append a vector, and what takes longer, keeping
//! only the newest of each route, happens outside of it and on the network's side, unless that has not come by for so
//! long that there is more than [`SLACK`] times what may be kept. Nothing here is a history: if one side sleeps, the
//! other leaves the newest of each route and no more.

use std::{
    collections::HashSet,
    mem,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::word::{RouteKey, Saying};
use crate::physics::{params::RouteParams, peers::PeerAggregate};

/// Merging costs as much as what is kept, so it waits until there is this many times as much.
const SLACK: usize = 4;

/// What goes out, each route once.
#[derive(Debug, Default, PartialEq)]
pub struct Outbox {
    /// The newest word on each route.
    pub sayings: Vec<Saying>,
    /// Routes on which this node wants to hear what is known.
    pub wanted: Vec<RouteKey>,
}

/// Batches in the order in which they were put in, and how many things there are in all of them.
struct Post<T> {
    batches: Vec<Vec<T>>,
    weight: usize,
}

impl<T> Default for Post<T> {
    fn default() -> Self {
        Self { batches: Vec::new(), weight: 0 }
    }
}

impl<T> Post<T> {
    fn push(&mut self, batch: Vec<T>) {
        self.weight += batch.len();
        self.batches.push(batch);
    }

    /// Puts in what is older than all that is here.
    fn push_front(&mut self, older: Vec<T>) {
        self.weight += older.len();
        self.batches.insert(0, older);
    }

    /// The newest of each route, at most `limit` of them, the last put in last; and how many were left out.
    fn merge(self, limit: usize, key_of: impl Fn(&T) -> RouteKey) -> (Vec<T>, usize) {
        let mut seen = HashSet::with_capacity(self.weight);
        // From the last to the first: whatever is met again is older.
        let batches = self.batches.into_iter().rev().flat_map(|batch| batch.into_iter().rev());
        let mut newest: Vec<T> = batches.filter(|item| seen.insert(key_of(item))).collect();
        let over = newest.len().saturating_sub(limit);
        newest.truncate(limit);
        newest.reverse();
        (newest, over)
    }
}

/// The meeting place; shared by an `Arc`.
pub struct Exchange {
    max_routes: usize,
    out: Mutex<Post<Saying>>,
    wanted: Mutex<Vec<RouteKey>>,
    heard: Mutex<Post<(RouteKey, PeerAggregate)>>,
    dropped: AtomicU64,
    /// Something was said.
    said: Notify,
    /// λ, 1/ms, as bits.
    decay_per_ms: AtomicU64,
}

impl Exchange {
    /// A place for at most `max_routes` routes each way, ≥ 1.
    #[must_use]
    pub fn new(max_routes: usize) -> Self {
        Self {
            max_routes: max_routes.max(1),
            out: Mutex::default(),
            wanted: Mutex::default(),
            heard: Mutex::default(),
            dropped: AtomicU64::new(0),
            said: Notify::new(),
            decay_per_ms: AtomicU64::new(RouteParams::default().decay_per_ms.to_bits()),
        }
    }

    /// λ of the deciding thread's default law, 1/ms: how fast the others' scars fade.
    #[must_use]
    pub fn decay_per_ms(&self) -> f64 {
        f64::from_bits(self.decay_per_ms.load(Ordering::Relaxed))
    }

    /// The deciding thread's default law has this λ, 1/ms.
    pub fn set_decay_per_ms(&self, decay_per_ms: f64) {
        self.decay_per_ms.store(decay_per_ms.to_bits(), Ordering::Relaxed);
    }

    /// Most routes each way.
    #[must_use]
    pub fn max_routes(&self) -> usize {
        self.max_routes
    }

    /// Routes that were left out because there were more than `max_routes`, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The deciding thread says something; the newest of each route goes out.
    pub fn say(&self, sayings: Vec<Saying>) {
        if !sayings.is_empty() {
            self.put(&self.out, sayings, self.max_routes, |saying| saying.key);
            self.said.notify_one();
        }
    }

    /// Resolves when something was said, for the network: it goes out with the pulse it was said in.
    pub async fn said(&self) {
        self.said.notified().await;
    }

    /// The deciding thread has a route that is new to it, and wants to hear what is known.
    pub fn want(&self, mut keys: Vec<RouteKey>) {
        let mut wanted = self.wanted.lock();
        let room = self.max_routes.saturating_sub(wanted.len());
        self.count_dropped(keys.len().saturating_sub(room));
        keys.truncate(room);
        wanted.append(&mut keys);
    }

    /// What the others say, in the order in which it changed. A route may come twice: the later counts.
    #[must_use]
    pub fn heard(&self) -> Vec<(RouteKey, PeerAggregate)> {
        let mut batches = mem::take(&mut *self.heard.lock()).batches;
        if batches.len() == 1 { batches.swap_remove(0) } else { batches.concat() }
    }

    /// The network takes what is to go out; from now on it answers for it.
    #[must_use]
    pub fn take_sayings(&self) -> Outbox {
        let said = mem::take(&mut *self.out.lock());
        let wanted = mem::take(&mut *self.wanted.lock());
        let (sayings, over) = said.merge(self.max_routes, |saying| saying.key);
        self.count_dropped(over);
        Outbox { sayings, wanted }
    }

    /// The network has heard something.
    pub fn tell(&self, heard: Vec<(RouteKey, PeerAggregate)>) {
        if !heard.is_empty() {
            // Twice as many: routes that left the table of words make room for others, and both are told.
            self.put(&self.heard, heard, 2 * self.max_routes, |(key, _)| *key);
        }
    }

    /// Appends a batch; where too much has piled up, the newest of each route is left, at most `limit` of them.
    fn put<T>(&self, post: &Mutex<Post<T>>, batch: Vec<T>, limit: usize, key_of: impl Fn(&T) -> RouteKey) {
        let full = {
            let mut post = post.lock();
            post.push(batch);
            (post.weight > SLACK * self.max_routes).then(|| mem::take(&mut *post))
        };
        if let Some(full) = full {
            let (newest, over) = full.merge(limit, key_of);
            self.count_dropped(over);
            post.lock().push_front(newest);
        }
    }

    fn count_dropped(&self, over: usize) {
        self.dropped.fetch_add(over as u64, Ordering::Relaxed);
    }
}
