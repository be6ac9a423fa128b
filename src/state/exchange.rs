//! Where the thread that decides and the thread that talks to the others meet.
//!
//! Neither ever waits for the other's work: a lock is held to swap or to append a vector, and what takes longer, keeping
//! only the newest of each route, happens outside of it and on the network's side, unless that has not come by for so
//! long that there is more than [`SLACK`] times what may be kept. Nothing here is a history: if one side sleeps, the
//! other leaves the newest of each route and no more.

use std::{
    collections::HashSet,
    iter, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::word::{RouteKey, Saying};
use crate::physics::{cluster::Chorus, law::Law};

/// Merging costs as much as what is kept, so it waits until there is this many times as much.
const SLACK: usize = 4;

/// What goes out, each route once.
#[derive(Debug, Default, PartialEq)]
pub struct Outbox {
    /// The newest word on each route.
    pub sayings: Vec<Saying>,
    /// Names of routes that were reset, before any of `sayings` was said.
    pub forgotten: Vec<Arc<[u8]>>,
    /// Routes on which this node wants to hear what is known.
    pub wanted: Vec<RouteKey>,
}

enum Event {
    Said(Vec<Saying>),
    Forgotten(Arc<[u8]>),
}

/// Things in the order in which they were put in, and how many there are.
struct Post<T> {
    items: Vec<T>,
    weight: usize,
}

impl<T> Default for Post<T> {
    fn default() -> Self {
        Self { items: Vec::new(), weight: 0 }
    }
}

impl<T> Post<T> {
    fn push(&mut self, item: T, weight: usize) {
        self.items.push(item);
        self.weight += weight;
    }

    /// Puts in what is older than all that is here.
    fn push_front(&mut self, older: Self) {
        let newer = mem::replace(self, older);
        self.items.extend(newer.items);
        self.weight += newer.weight;
    }
}

/// The meeting place; shared by an `Arc`.
pub struct Exchange {
    max_routes: usize,
    out: Mutex<Post<Event>>,
    returned: Mutex<Vec<Saying>>,
    wanted: Mutex<Vec<RouteKey>>,
    heard: Mutex<Post<Vec<(RouteKey, Chorus)>>>,
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
            returned: Mutex::default(),
            wanted: Mutex::default(),
            heard: Mutex::default(),
            dropped: AtomicU64::new(0),
            said: Notify::new(),
            decay_per_ms: AtomicU64::new(Law::default().decay_per_ms.to_bits()),
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
        let weight = sayings.len();
        if weight > 0 {
            self.post(Event::Said(sayings), weight);
            self.said.notify_one();
        }
    }

    /// Resolves when something was said, for the network: it goes out with the pulse it was said in.
    pub async fn said(&self) {
        self.said.notified().await;
    }

    /// The deciding thread has reset a route: what it said so far is not to go out.
    pub fn forget(&self, name: Arc<[u8]>) {
        self.post(Event::Forgotten(name), 1);
    }

    /// The deciding thread has a route that is new to it, and wants to hear what is known.
    pub fn want(&self, mut keys: Vec<RouteKey>) {
        let mut wanted = self.wanted.lock();
        let room = self.max_routes.saturating_sub(wanted.len());
        self.dropped.fetch_add(keys.len().saturating_sub(room) as u64, Ordering::Relaxed);
        keys.truncate(room);
        wanted.append(&mut keys);
    }

    /// What the others say, in the order in which it changed. A route may come twice: the later counts.
    #[must_use]
    pub fn heard(&self) -> Vec<(RouteKey, Chorus)> {
        let mut batches = mem::take(&mut *self.heard.lock()).items;
        if batches.len() == 1 { batches.swap_remove(0) } else { batches.concat() }
    }

    /// The network takes what is to go out; from now on it answers for it.
    #[must_use]
    pub fn take_sayings(&self) -> Outbox {
        // In this order: what was returned is older than all that is said.
        let returned = mem::take(&mut *self.returned.lock());
        let said = mem::take(&mut *self.out.lock());
        let wanted = mem::take(&mut *self.wanted.lock());
        let (sayings, forgotten) = self.merge(iter::once(Event::Said(returned)).chain(said.items), said.weight);
        Outbox { sayings, forgotten, wanted }
    }

    /// The network could not send what it took last: it goes with the next, unless something newer is said by then.
    /// To be called before anything else is taken.
    pub fn put_back(&self, sayings: Vec<Saying>) {
        let mut returned = self.returned.lock();
        let room = self.max_routes.saturating_sub(returned.len());
        let over = sayings.len().saturating_sub(room);
        self.dropped.fetch_add(over as u64, Ordering::Relaxed);
        returned.extend(sayings.into_iter().skip(over));
    }

    /// The network has heard something.
    pub fn tell(&self, heard: Vec<(RouteKey, Chorus)>) {
        let weight = heard.len();
        if weight == 0 {
            return;
        }
        let full = {
            let mut post = self.heard.lock();
            post.push(heard, weight);
            (post.weight > SLACK * self.max_routes).then(|| mem::take(&mut *post))
        };
        if let Some(post) = full {
            let mut seen = HashSet::with_capacity(post.weight);
            let mut merged: Vec<_> = post
                .items
                .into_iter()
                .rev()
                .flat_map(|batch| batch.into_iter().rev())
                .filter(|(key, _)| seen.insert(*key))
                .collect();
            // Twice as many: routes that left the table of words make room for others, and both are told.
            self.bound(&mut merged, 2 * self.max_routes);
            let weight = merged.len();
            self.heard.lock().push_front(Post { items: vec![merged], weight });
        }
    }

    fn post(&self, event: Event, weight: usize) {
        let full = {
            let mut post = self.out.lock();
            post.push(event, weight);
            (post.weight > SLACK * self.max_routes).then(|| mem::take(&mut *post))
        };
        if let Some(post) = full {
            let (sayings, forgotten) = self.merge(post.items.into_iter(), post.weight);
            let weight = sayings.len() + forgotten.len();
            let mut items: Vec<_> = forgotten.into_iter().map(Event::Forgotten).collect();
            items.push(Event::Said(sayings));
            self.out.lock().push_front(Post { items, weight });
        }
    }

    /// The newest of each route; what was said before its route was forgotten is not.
    fn merge(&self, events: impl DoubleEndedIterator<Item = Event>, weight: usize) -> (Vec<Saying>, Vec<Arc<[u8]>>) {
        // From the last to the first: whatever is met again is older.
        let (mut seen, mut reset) = (HashSet::with_capacity(weight), HashSet::new());
        let (mut sayings, mut forgotten) = (Vec::new(), Vec::new());
        for event in events.rev() {
            match event {
                Event::Said(said) => {
                    sayings.extend(said.into_iter().rev().filter(|saying| seen.insert(saying.key)));
                }
                Event::Forgotten(name) => {
                    let key = RouteKey::of(&name);
                    seen.insert(key);
                    if reset.insert(key) {
                        forgotten.push(name);
                    }
                }
            }
        }
        self.bound(&mut sayings, self.max_routes);
        self.bound(&mut forgotten, self.max_routes);
        (sayings, forgotten)
    }

    /// Of what is there from the last to the first: the last `limit`, from the first to the last.
    fn bound<T>(&self, items: &mut Vec<T>, limit: usize) {
        self.dropped.fetch_add(items.len().saturating_sub(limit) as u64, Ordering::Relaxed);
        items.truncate(limit);
        items.reverse();
    }
}
