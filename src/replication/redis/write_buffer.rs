//! The write buffer: this node's newest record of every route, and what of it is still to be published or stored.
//!
//! It is all that is kept while the server cannot be reached, and all that is needed when it can be again. No history: a route
//! that changed a thousand times is here once.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    sync::Arc,
};

use super::record::{Record, shard_of};
use crate::{
    replication::report::{Report, RouteKey},
    units::Millis,
};

/// A route that keeps changing is stored this often, ms.
pub const STORE_EVERY_MS: Millis = 1000.0;
/// The waiting routes up to which all are stored at once, however lately they were: a node that starts loads the newest.
const FEW: usize = 512;
/// The number of waiting routes above which each is stored half as often: what the store gains by the second is little, and
/// its bytes would be a third of all that is sent.
const CROWD: usize = 4096;
/// Most routes stored at once.
const BATCH: usize = 5000;
/// Most names removed from the store at once.
const REMOVALS: usize = 1000;
/// The routes checked for expiry a beat.
const SWEEP: usize = 512;
/// Names have so many bytes each on average, and never fewer in all than the second, before routes give way for them.
const NAME_BYTES: usize = 256;
const LEAST_NAME_BYTES: usize = 16 << 20;

struct Entry {
    name: Arc<[u8]>,
    record: Record,
    /// The time at which it was noted, ms of the client's clock.
    noted_ms: Millis,
    /// The time at which it was stored last.
    stored_ms: Millis,
    unsent: bool,
    unstored: bool,
}

/// A batch for the store.
#[derive(Default)]
pub struct Batch {
    /// New states: shard, name, record.
    pub writes: Vec<(u8, Arc<[u8]>, Record)>,
    /// Names to remove, by shard.
    pub removals: Vec<(u8, Arc<[u8]>)>,
}

impl Batch {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.removals.is_empty()
    }
}

/// The buffer: see the module.
pub struct WriteBuffer {
    max_routes: usize,
    /// Most bytes of names, of the routes here and of those to remove from the store each: as many as an engine keeps.
    max_name_bytes: usize,
    /// Bytes of the names of the routes here, and of those to remove.
    name_bytes: usize,
    removal_bytes: usize,
    expire_ms: Millis,
    entries: HashMap<RouteKey, Entry>,
    unsent: Vec<RouteKey>,
    unstored: VecDeque<RouteKey>,
    forgotten: Vec<RouteKey>,
    removals: VecDeque<(u8, Arc<[u8]>)>,
    /// Routes in the order in which they were first noted; the first is looked at next, whether it may go.
    round: VecDeque<RouteKey>,
}

impl WriteBuffer {
    /// A buffer of at most so many routes, each for at most so long.
    pub fn new(max_routes: usize, expire_ms: Millis) -> Self {
        Self {
            max_routes: max_routes.max(1),
            max_name_bytes: max_routes.saturating_mul(NAME_BYTES).max(LEAST_NAME_BYTES),
            name_bytes: 0,
            removal_bytes: 0,
            expire_ms,
            entries: HashMap::new(),
            unsent: Vec::new(),
            unstored: VecDeque::new(),
            forgotten: Vec::new(),
            removals: VecDeque::new(),
            round: VecDeque::new(),
        }
    }

    /// Returns whether a route has a record that is not stored yet.
    pub fn is_unstored(&self, key: RouteKey) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.unstored)
    }

    /// The number of routes and removals that are not stored yet.
    pub fn unstored(&self) -> usize {
        self.unstored.len() + self.removals.len()
    }

    /// The record of a route.
    pub fn record(&self, key: RouteKey) -> Option<Record> {
        self.entries.get(&key).map(|entry| entry.record)
    }

    /// Notes a record; true if another route had to give way.
    pub fn note(&mut self, key: RouteKey, name: &Arc<[u8]>, record: Record, now_ms: Millis) -> bool {
        let mut gives_way = false;
        while !self.entries.contains_key(&key)
            && (self.entries.len() >= self.max_routes || self.name_bytes + name.len() > self.max_name_bytes)
            && self.make_room()
        {
            gives_way = true;
        }
        let entry = match self.entries.entry(key) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(place) => {
                self.round.push_back(key);
                self.name_bytes += name.len();
                place.insert(Entry {
                    name: name.clone(),
                    record,
                    noted_ms: now_ms,
                    stored_ms: f64::NEG_INFINITY,
                    unsent: false,
                    unstored: false,
                })
            }
        };
        (entry.record, entry.noted_ms) = (record, now_ms);
        if !entry.unsent {
            entry.unsent = true;
            self.unsent.push(key);
        }
        if !entry.unstored {
            entry.unstored = true;
            self.unstored.push_back(key);
        }
        gives_way
    }

    /// Stores a route with the next batch, however lately it was.
    pub fn prioritise(&mut self, key: RouteKey) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.unstored) {
            entry.stored_ms = f64::NEG_INFINITY;
            // Its place in the queue may be far back. What is queued twice is stored once.
            self.unstored.push_front(key);
        }
    }

    /// Forgets a route that was reset: peers and the store do, too.
    pub fn forget(&mut self, key: RouteKey, name: Arc<[u8]>) {
        self.take_entry(key);
        if self.forgotten.len() < self.max_routes {
            self.forgotten.push(key);
        }
        self.remove_stored(key, name);
    }

    /// Publishes again what was noted since `since_ms`, and every scar.
    pub fn repeat(&mut self, since_ms: Millis) {
        for (key, entry) in &mut self.entries {
            if !entry.unsent && (entry.record.scar > 0.0 || entry.noted_ms >= since_ms) {
                entry.unsent = true;
                self.unsent.push(*key);
            }
        }
    }

    /// Stores everything again: the store may have lost it.
    pub fn store_again(&mut self) {
        for (key, entry) in &mut self.entries {
            entry.stored_ms = f64::NEG_INFINITY;
            if !entry.unstored {
                entry.unstored = true;
                self.unstored.push_back(*key);
            }
        }
    }

    /// Takes at most `limit` of what is to be published: reports, faded since they were noted, and routes forgotten before that.
    pub fn take_unsent(
        &mut self,
        limit: usize,
        now_ms: Millis,
        decay_per_ms: f64,
    ) -> (Vec<(RouteKey, Report)>, Vec<RouteKey>) {
        let forgotten = self.forgotten.split_off(self.forgotten.len().saturating_sub(limit));
        let room = limit - forgotten.len();
        let mut reports = Vec::with_capacity(self.unsent.len().min(room));
        while reports.len() < room {
            let Some(key) = self.unsent.pop() else { break };
            if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.unsent) {
                entry.unsent = false;
                let report = entry.record.report();
                let faded = (-decay_per_ms * (now_ms - entry.noted_ms)).exp();
                reports.push((key, Report { scar: report.scar * faded, ..report }));
            }
        }
        (reports, forgotten)
    }

    /// Puts back what was taken and could not be published.
    pub fn put_back(&mut self, reports: &[(RouteKey, Report)], forgotten: &[RouteKey]) {
        for (key, _) in reports {
            if let Some(entry) = self.entries.get_mut(key).filter(|entry| !entry.unsent) {
                entry.unsent = true;
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
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.unstored) else { continue };
            if all || now_ms - entry.stored_ms >= every_ms {
                (entry.unstored, entry.stored_ms) = (false, now_ms);
                batch.writes.push((shard_of(key), entry.name.clone(), entry.record));
            } else {
                self.unstored.push_back(key);
            }
        }
        let removals = self.removals.len().min(REMOVALS);
        let entries = &self.entries;
        // A route that is back was or will be written over what was there.
        let gone = |(_, name): &(u8, Arc<[u8]>)| !entries.contains_key(&RouteKey::of(name));
        let taken = self.removals.drain(..removals).inspect(|(_, name)| self.removal_bytes -= name.len());
        batch.removals = taken.filter(gone).collect();
        batch
    }

    /// Puts back what was taken and could not be stored.
    pub fn store_back(&mut self, batch: Batch) {
        for (_, name, _) in batch.writes {
            let key = RouteKey::of(&name);
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.stored_ms = f64::NEG_INFINITY;
                if !entry.unstored {
                    entry.unstored = true;
                    self.unstored.push_back(key);
                }
            }
        }
        for (shard, name) in batch.removals {
            self.queue_removal(shard, name);
        }
    }

    /// Drops routes of which nothing was noted for as long as the store keeps them; a part of the buffer at a time.
    pub fn sweep(&mut self, now_ms: Millis) {
        for _ in 0..SWEEP.min(self.round.len()) {
            let Some(key) = self.round.pop_front() else { return };
            let Some(entry) = self.entries.get(&key) else { continue };
            if now_ms - entry.noted_ms > self.expire_ms {
                self.drop_entry(key);
            } else {
                self.round.push_back(key);
            }
        }
    }

    /// Drops from the queues what was left behind by routes that went; they stay in proportion to the buffer.
    pub fn trim(&mut self) {
        let limit = 2 * self.entries.len() + BATCH;
        if self.unsent.len() > limit {
            self.unsent = self.entries.iter().filter(|(_, entry)| entry.unsent).map(|(key, _)| *key).collect();
        }
        if self.unstored.len() > limit {
            self.unstored = self.entries.iter().filter(|(_, entry)| entry.unstored).map(|(key, _)| *key).collect();
        }
        if self.round.len() > limit {
            self.round = self.entries.keys().copied().collect();
        }
    }

    /// Drops, of the next few routes, the one noted longest ago.
    fn make_room(&mut self) -> bool {
        let mut eldest: Option<(RouteKey, Millis)> = None;
        let mut looked_at = 0;
        while looked_at < 8 {
            let Some(key) = self.round.pop_front() else { break };
            let Some(entry) = self.entries.get(&key) else { continue };
            self.round.push_back(key);
            looked_at += 1;
            if eldest.is_none_or(|(_, noted_ms)| entry.noted_ms < noted_ms) {
                eldest = Some((key, entry.noted_ms));
            }
        }
        eldest.is_some_and(|(key, _)| self.drop_entry(key))
    }

    fn take_entry(&mut self, key: RouteKey) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.name_bytes -= entry.name.len();
        Some(entry)
    }

    fn drop_entry(&mut self, key: RouteKey) -> bool {
        let Some(entry) = self.take_entry(key) else { return false };
        if entry.stored_ms > f64::NEG_INFINITY {
            self.remove_stored(key, entry.name);
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
        let mut buffer = WriteBuffer::new(65_536, 1e9);
        let name_of = |i: u32| -> Arc<[u8]> { [i.to_le_bytes().repeat(4000), vec![0]].concat().into() };
        for i in 0..5000 {
            let name = name_of(i);
            buffer.note(RouteKey::of(&name), &name, Record::default(), f64::from(i));
            let batch = buffer.take_unstored(f64::from(i), true);
            assert!(batch.writes.len() == 1 && batch.removals.len() <= 1);
        }
        let held: usize = buffer.entries.values().map(|entry| entry.name.len()).sum();
        assert_eq!((held, buffer.removal_bytes), (buffer.name_bytes, 0));
        assert!(held <= 65_536 * NAME_BYTES && held > 65_536 * NAME_BYTES - 20_000, "{held}");
        assert!(
            buffer.record(RouteKey::of(&name_of(4999))).is_some() && buffer.record(RouteKey::of(&name_of(0))).is_none()
        );
        // The removals are never taken.
        for i in 0..5000 {
            let name = name_of(i);
            buffer.forget(RouteKey::of(&name), name);
        }
        let queued: usize = buffer.removals.iter().map(|(_, name)| name.len()).sum();
        assert!(queued == buffer.removal_bytes && queued <= 65_536 * NAME_BYTES, "{queued}");
        assert_eq!((buffer.entries.len(), buffer.name_bytes), (0, 0));
    }
}
