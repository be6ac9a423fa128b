//! What this node said: the newest of every route, and what of it is still to be sent or stored.
//!
//! It is all that is kept while the others cannot be reached, and all that is needed to speak again when they can. No
//! history: a route that changed a thousand times is here once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use super::record::{Record, shard_of};
use crate::{
    state::word::{RouteKey, Word},
    units::Millis,
};

/// A route that keeps changing is stored this often, ms.
pub const STORE_EVERY_MS: Millis = 1000.0;
/// So few that wait are stored at once, however lately they were: whoever starts now starts with the newest.
const FEW: usize = 512;
/// Where more than so many routes wait, each is stored half as often: what the store gains by the second is little, and
/// its bytes would be a third of all that is sent.
const CROWD: usize = 4096;
/// Most routes stored at once.
const BATCH: usize = 5000;
/// Most names removed from the store at once.
const REMOVALS: usize = 1000;
/// Looked through for what has expired, of so many routes a beat.
const SWEEP: usize = 512;
/// Names have so many bytes each on average, and never fewer in all than the second, before routes give way for them.
const NAME_BYTES: usize = 256;
const LEAST_NAME_BYTES: usize = 16 << 20;

struct Page {
    name: Arc<[u8]>,
    record: Record,
    /// When it was said, ms of the link's clock.
    said_ms: Millis,
    /// When it was stored last.
    stored_ms: Millis,
    unsent: bool,
    unstored: bool,
}

/// What is to be written to the store at once.
#[derive(Default)]
pub struct Batch {
    /// New states: shard, name, record.
    pub writes: Vec<(u8, Arc<[u8]>, Record)>,
    /// Names to remove, by shard.
    pub removals: Vec<(u8, Arc<[u8]>)>,
}

impl Batch {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.removals.is_empty()
    }
}

/// The newest word of this node on every route.
pub struct Book {
    max_routes: usize,
    /// Most bytes of names, of the routes here and of those to remove from the store each: as many as an engine keeps.
    max_name_bytes: usize,
    /// Bytes of the names of the routes here, and of those to remove.
    name_bytes: usize,
    removal_bytes: usize,
    expire_ms: Millis,
    pages: HashMap<RouteKey, Page>,
    unsent: Vec<RouteKey>,
    unstored: VecDeque<RouteKey>,
    forgotten: Vec<RouteKey>,
    removals: VecDeque<(u8, Arc<[u8]>)>,
    /// Routes in the order in which they were first noted; the first is looked at next, whether it may go.
    round: VecDeque<RouteKey>,
}

impl Book {
    /// A book of at most so many routes, each for at most so long.
    pub fn new(max_routes: usize, expire_ms: Millis) -> Self {
        Self {
            max_routes: max_routes.max(1),
            max_name_bytes: max_routes.saturating_mul(NAME_BYTES).max(LEAST_NAME_BYTES),
            name_bytes: 0,
            removal_bytes: 0,
            expire_ms,
            pages: HashMap::new(),
            unsent: Vec::new(),
            unstored: VecDeque::new(),
            forgotten: Vec::new(),
            removals: VecDeque::new(),
            round: VecDeque::new(),
        }
    }

    /// Is there something of a route that the store does not know of yet?
    pub fn is_unstored(&self, key: RouteKey) -> bool {
        self.pages.get(&key).is_some_and(|page| page.unstored)
    }

    /// Routes and removals the store does not know of yet.
    pub fn unstored(&self) -> usize {
        self.unstored.len() + self.removals.len()
    }

    /// What was said of a route.
    pub fn record(&self, key: RouteKey) -> Option<Record> {
        self.pages.get(&key).map(|page| page.record)
    }

    /// Something was said; true if a route had to give way.
    pub fn note(&mut self, key: RouteKey, name: &Arc<[u8]>, record: Record, now_ms: Millis) -> bool {
        let mut gives_way = false;
        while !self.pages.contains_key(&key)
            && (self.pages.len() >= self.max_routes || self.name_bytes + name.len() > self.max_name_bytes)
            && self.make_room()
        {
            gives_way = true;
        }
        let page = match self.pages.entry(key) {
            Entry::Occupied(page) => page.into_mut(),
            Entry::Vacant(place) => {
                self.round.push_back(key);
                self.name_bytes += name.len();
                place.insert(Page {
                    name: name.clone(),
                    record,
                    said_ms: now_ms,
                    stored_ms: f64::NEG_INFINITY,
                    unsent: false,
                    unstored: false,
                })
            }
        };
        (page.record, page.said_ms) = (record, now_ms);
        if !page.unsent {
            page.unsent = true;
            self.unsent.push(key);
        }
        if !page.unstored {
            page.unstored = true;
            self.unstored.push_back(key);
        }
        gives_way
    }

    /// A route is stored with the next batch, however lately it was.
    pub fn hasten(&mut self, key: RouteKey) {
        if let Some(page) = self.pages.get_mut(&key).filter(|page| page.unstored) {
            page.stored_ms = f64::NEG_INFINITY;
            // Its place in the queue may be far back. What is queued twice is stored once.
            self.unstored.push_front(key);
        }
    }

    /// A route was reset: the others forget what was said of it, and so does the store.
    pub fn forget(&mut self, key: RouteKey, name: Arc<[u8]>) {
        self.take_page(key);
        if self.forgotten.len() < self.max_routes {
            self.forgotten.push(key);
        }
        self.remove_stored(key, name);
    }

    /// Everything said since `since_ms`, and every scar, is to be sent again.
    pub fn repeat(&mut self, since_ms: Millis) {
        for (key, page) in &mut self.pages {
            if !page.unsent && (page.record.scar > 0.0 || page.said_ms >= since_ms) {
                page.unsent = true;
                self.unsent.push(*key);
            }
        }
    }

    /// Everything is to be stored again: the store may have lost it.
    pub fn store_again(&mut self) {
        for (key, page) in &mut self.pages {
            page.stored_ms = f64::NEG_INFINITY;
            if !page.unstored {
                page.unstored = true;
                self.unstored.push_back(*key);
            }
        }
    }

    /// Takes at most `limit` of what is to be sent: words, faded since they were said, and routes forgotten before that.
    pub fn take_unsent(
        &mut self,
        limit: usize,
        now_ms: Millis,
        decay_per_ms: f64,
    ) -> (Vec<(RouteKey, Word)>, Vec<RouteKey>) {
        let forgotten = self.forgotten.split_off(self.forgotten.len().saturating_sub(limit));
        let room = limit - forgotten.len();
        let mut words = Vec::with_capacity(self.unsent.len().min(room));
        while words.len() < room {
            let Some(key) = self.unsent.pop() else { break };
            if let Some(page) = self.pages.get_mut(&key).filter(|page| page.unsent) {
                page.unsent = false;
                let word = page.record.word();
                let faded = (-decay_per_ms * (now_ms - page.said_ms)).exp();
                words.push((key, Word { scar: word.scar * faded, ..word }));
            }
        }
        (words, forgotten)
    }

    /// What was taken could not be sent.
    pub fn put_back(&mut self, words: &[(RouteKey, Word)], forgotten: &[RouteKey]) {
        for (key, _) in words {
            if let Some(page) = self.pages.get_mut(key).filter(|page| !page.unsent) {
                page.unsent = true;
                self.unsent.push(*key);
            }
        }
        let room = self.max_routes.saturating_sub(self.forgotten.len());
        self.forgotten.extend(forgotten.iter().take(room));
    }

    /// Takes what is to be stored now; with `all`, also what was stored lately.
    pub fn take_unstored(&mut self, now_ms: Millis, all: bool) -> Batch {
        let mut batch = Batch::default();
        let every_ms = match self.unstored.len() {
            waiting if waiting <= FEW => 0.0,
            waiting if waiting <= CROWD => STORE_EVERY_MS,
            _ => 2.0 * STORE_EVERY_MS,
        };
        for _ in 0..self.unstored.len() {
            if batch.writes.len() >= BATCH {
                break;
            }
            let Some(key) = self.unstored.pop_front() else { break };
            let Some(page) = self.pages.get_mut(&key).filter(|page| page.unstored) else { continue };
            if all || now_ms - page.stored_ms >= every_ms {
                (page.unstored, page.stored_ms) = (false, now_ms);
                batch.writes.push((shard_of(key), page.name.clone(), page.record));
            } else {
                self.unstored.push_back(key);
            }
        }
        let removals = self.removals.len().min(REMOVALS);
        let pages = &self.pages;
        // A route that is back was or will be written over what was there.
        let gone = |(_, name): &(u8, Arc<[u8]>)| !pages.contains_key(&RouteKey::of(name));
        let taken = self.removals.drain(..removals).inspect(|(_, name)| self.removal_bytes -= name.len());
        batch.removals = taken.filter(gone).collect();
        batch
    }

    /// What was taken could not be stored.
    pub fn store_back(&mut self, batch: Batch) {
        for (_, name, _) in batch.writes {
            let key = RouteKey::of(&name);
            if let Some(page) = self.pages.get_mut(&key) {
                page.stored_ms = f64::NEG_INFINITY;
                if !page.unstored {
                    page.unstored = true;
                    self.unstored.push_back(key);
                }
            }
        }
        for (shard, name) in batch.removals {
            self.queue_removal(shard, name);
        }
    }

    /// Routes of which nothing was said for as long as the store remembers go; a part of the book at a time.
    pub fn sweep(&mut self, now_ms: Millis) {
        for _ in 0..SWEEP.min(self.round.len()) {
            let Some(key) = self.round.pop_front() else { return };
            let Some(page) = self.pages.get(&key) else { continue };
            if now_ms - page.said_ms > self.expire_ms {
                self.drop_page(key);
            } else {
                self.round.push_back(key);
            }
        }
    }

    /// Drops from the queues what was left behind by routes that went; they stay in proportion to the book.
    pub fn trim(&mut self) {
        let limit = 2 * self.pages.len() + BATCH;
        if self.unsent.len() > limit {
            self.unsent = self.pages.iter().filter(|(_, page)| page.unsent).map(|(key, _)| *key).collect();
        }
        if self.unstored.len() > limit {
            self.unstored = self.pages.iter().filter(|(_, page)| page.unstored).map(|(key, _)| *key).collect();
        }
        if self.round.len() > limit {
            self.round = self.pages.keys().copied().collect();
        }
    }

    /// Of the next few routes the one said longest ago goes.
    fn make_room(&mut self) -> bool {
        let mut eldest: Option<(RouteKey, Millis)> = None;
        let mut looked_at = 0;
        while looked_at < 8 {
            let Some(key) = self.round.pop_front() else { break };
            let Some(page) = self.pages.get(&key) else { continue };
            self.round.push_back(key);
            looked_at += 1;
            if eldest.is_none_or(|(_, said_ms)| page.said_ms < said_ms) {
                eldest = Some((key, page.said_ms));
            }
        }
        eldest.is_some_and(|(key, _)| self.drop_page(key))
    }

    fn take_page(&mut self, key: RouteKey) -> Option<Page> {
        let page = self.pages.remove(&key)?;
        self.name_bytes -= page.name.len();
        Some(page)
    }

    fn drop_page(&mut self, key: RouteKey) -> bool {
        let Some(page) = self.take_page(key) else { return false };
        if page.stored_ms > f64::NEG_INFINITY {
            self.remove_stored(key, page.name);
        }
        true
    }

    fn remove_stored(&mut self, key: RouteKey, name: Arc<[u8]>) {
        self.queue_removal(shard_of(key), name);
    }

    fn queue_removal(&mut self, shard: u8, name: Arc<[u8]>) {
        // Beyond that the expiry of the hash has to do.
        if self.removals.len() < self.max_routes && self.removal_bytes + name.len() <= self.max_name_bytes {
            self.removal_bytes += name.len();
            self.removals.push_back((shard, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_make_room_as_many_routes_do_and_what_is_to_be_removed_is_bounded_as_well() {
        let mut book = Book::new(65_536, 1e9);
        let name_of = |i: u32| -> Arc<[u8]> { [i.to_le_bytes().repeat(4000), vec![0]].concat().into() };
        for i in 0..5000 {
            let name = name_of(i);
            book.note(RouteKey::of(&name), &name, Record::default(), f64::from(i));
            let batch = book.take_unstored(f64::from(i), true);
            assert!(batch.writes.len() == 1 && batch.removals.len() <= 1);
        }
        let held: usize = book.pages.values().map(|page| page.name.len()).sum();
        assert_eq!((held, book.removal_bytes), (book.name_bytes, 0));
        assert!(held <= 65_536 * NAME_BYTES && held > 65_536 * NAME_BYTES - 20_000, "{held}");
        assert!(
            book.record(RouteKey::of(&name_of(4999))).is_some() && book.record(RouteKey::of(&name_of(0))).is_none()
        );
        // Nobody takes the removals.
        for i in 0..5000 {
            let name = name_of(i);
            book.forget(RouteKey::of(&name), name);
        }
        let queued: usize = book.removals.iter().map(|(_, name)| name.len()).sum();
        assert!(queued == book.removal_bytes && queued <= 65_536 * NAME_BYTES, "{queued}");
        assert_eq!((book.pages.len(), book.name_bytes), (0, 0));
    }
}
