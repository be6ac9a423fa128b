//! The mailbox: what the deciding thread and the client's thread exchange.
//!
//! Neither ever waits for the other's work: a lock is held to swap or to append a vector, and what takes longer, keeping
//! only the newest of each route, happens outside of it and on the client's side, unless that has not come by for so
//! long that there is more than `SLACK` times what may be kept. Nothing here is a history: if one side sleeps, the
//! other leaves the newest of each route and no more.

use std::{collections::HashSet, mem, sync::atomic::Ordering};

use tokio::sync::Notify;

use super::report::{OutboundReport, RouteKey};
use crate::{
    physics::{params::RouteParams, peers::PeerAggregate},
    sync::{AtomicU64, Mutex},
};

/// The multiple of what may be kept from which batches are merged: merging costs as much as what is kept.
const SLACK: usize = 4;

/// The reports to publish, each route once.
#[derive(Debug, Default, PartialEq)]
pub struct Outbox {
    /// The newest report of each route.
    pub reports: Vec<OutboundReport>,
    /// Routes of which the peers' reports are to be delivered.
    pub requested: Vec<RouteKey>,
}

/// Batches in the order in which they were put in, and the number of items in all of them.
struct BatchQueue<T> {
    batches: Vec<Vec<T>>,
    weight: usize,
}

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self { batches: Vec::new(), weight: 0 }
    }
}

impl<T> BatchQueue<T> {
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

/// The mailbox; shared by an `Arc`.
///
/// ```
/// use atrion::{
///     physics::peers::PeerAggregate,
///     replication::{Mailbox, RouteKey},
/// };
///
/// let mailbox = Mailbox::new(1000);
/// mailbox.deliver(vec![(RouteKey::of(b"GET /orders"), PeerAggregate::default())]);
/// assert_eq!(mailbox.take_received().len(), 1);
/// assert!(mailbox.take_outgoing().reports.is_empty());
/// ```
pub struct Mailbox {
    max_routes: usize,
    out: Mutex<BatchQueue<OutboundReport>>,
    requested: Mutex<Vec<RouteKey>>,
    received: Mutex<BatchQueue<(RouteKey, PeerAggregate)>>,
    dropped: AtomicU64,
    /// Notified when something was sent.
    sent: Notify,
    /// λ, 1/ms, as bits.
    decay_per_ms: AtomicU64,
}

impl Mailbox {
    /// A mailbox of at most `max_routes` routes each way, ≥ 1.
    #[must_use]
    pub fn new(max_routes: usize) -> Self {
        Self {
            max_routes: max_routes.max(1),
            out: Mutex::default(),
            requested: Mutex::default(),
            received: Mutex::default(),
            dropped: AtomicU64::new(0),
            sent: Notify::new(),
            decay_per_ms: AtomicU64::new(RouteParams::default().decay_per_ms.to_bits()),
        }
    }

    /// λ of the deciding thread's default parameters, 1/ms: how fast the peers' scars fade.
    #[must_use]
    pub fn decay_per_ms(&self) -> f64 {
        f64::from_bits(self.decay_per_ms.load(Ordering::Relaxed))
    }

    /// Sets λ of the deciding thread's default parameters, 1/ms.
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

    /// Takes the count of routes that were left out: from now on it is another's.
    #[must_use]
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Sends reports of the deciding thread; the newest of each route is published.
    pub fn send(&self, outgoing: Vec<OutboundReport>) {
        if !outgoing.is_empty() {
            self.put(&self.out, outgoing, self.max_routes, |report| report.key);
            self.sent.notify_one();
        }
    }

    /// Resolves when something was sent, for the client: it is published in the same interval.
    pub async fn outgoing(&self) {
        self.sent.notified().await;
    }

    /// Requests the peers' reports of routes that are new to the deciding thread.
    pub fn request(&self, mut keys: Vec<RouteKey>) {
        let mut requested = self.requested.lock();
        let room = self.max_routes.saturating_sub(requested.len());
        self.count_dropped(keys.len().saturating_sub(room));
        keys.truncate(room);
        requested.append(&mut keys);
    }

    /// Takes the peers' aggregates, in the order in which they changed. A route may come twice: the later counts.
    #[must_use]
    pub fn take_received(&self) -> Vec<(RouteKey, PeerAggregate)> {
        let mut batches = mem::take(&mut *self.received.lock()).batches;
        if batches.len() == 1 { batches.swap_remove(0) } else { batches.concat() }
    }

    /// Takes what is to be published; from now on the client keeps it.
    #[must_use]
    pub fn take_outgoing(&self) -> Outbox {
        let sent = mem::take(&mut *self.out.lock());
        let requested = mem::take(&mut *self.requested.lock());
        let (reports, over) = sent.merge(self.max_routes, |report| report.key);
        self.count_dropped(over);
        Outbox { reports, requested }
    }

    /// Delivers the peers' aggregates to the deciding thread.
    pub fn deliver(&self, received: Vec<(RouteKey, PeerAggregate)>) {
        if !received.is_empty() {
            // Twice as many: routes that left the table of peers make room for others, and both are delivered.
            self.put(&self.received, received, 2 * self.max_routes, |(key, _)| *key);
        }
    }

    /// Appends a batch; where too much has piled up, the newest of each route is left, at most `limit` of them.
    fn put<T>(&self, post: &Mutex<BatchQueue<T>>, batch: Vec<T>, limit: usize, key_of: impl Fn(&T) -> RouteKey) {
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

    /// Counts routes that were left out before they came here.
    pub fn count_dropped(&self, over: usize) {
        self.dropped.fetch_add(over as u64, Ordering::Relaxed);
    }
}
