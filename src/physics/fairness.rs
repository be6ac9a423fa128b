//! Fairness between keys: a key's place inside its tier's band, and what a key may hold before it ranks last in it.
//!
//! ```text
//! place   = frac(h/2⁵³ + t/T)                    h: the key's secret hash; T: `ROTATION_MS`
//! over    = held > max(1, n·w/W)                 n: permits that keys hold; W: the weights of the keys that hold any
//! level   = 0 when over, else FLOOR + (1 − FLOOR)·place
//! room    = √N − 1                               N in flight: what one that is over leaves free for the others
//! ```
//!
//! *No key is dark for long.* A place sweeps once through the band in T, each key from a start of its own. Where the share x of a
//! band is served, every key is served for x·T of every T, and is treated alike for minutes between. A place that were
//! drawn anew every T would leave x^k of the keys dark for k·T.
//!
//! *No key decides the fate of another.* What a key holds beyond an equal share of what is in flight ranks behind all others of
//! its tier, so it is shed before any of them; a key within its share never meets more of it than what is left over. The
//! others arrive by chance: without the room they would find the route filled to the level at which they are shed themselves.
//! A single key, or keys that hold equally much, are never over. Memory: the keys that hold something, at most `MOST_KEYS`;
//! a key beyond that is not counted, and so never over.

use crate::units::Millis;

/// T, ms.
pub const ROTATION_MS: Millis = 300_000.0;
/// The part of a band that is left to keys that hold more than their share.
const FLOOR: f64 = 0.1;
/// Keys that are counted at once.
const MOST_KEYS: usize = 4096;
/// Stands for a key that is not counted.
pub const NO_KEY: u16 = u16::MAX;

/// h, below 2⁵³, as a share.
const HASH_UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

/// The place in its band, at `now_ms`, of a key that holds no more than its share, [0, 1).
///
/// ```
/// use atrion::physics::fairness::level;
///
/// let places = [7_u64, 1 << 40, 1 << 52].map(|hash| level(hash, 0.0));
/// assert!(places.iter().all(|place| (0.0..1.0).contains(place)));
/// ```
#[must_use]
pub fn level(hash: u64, now_ms: Millis) -> f64 {
    let turns = hash as f64 * HASH_UNIT + now_ms / ROTATION_MS;
    let place = turns - (turns as i64) as f64;
    FLOOR + (1.0 - FLOOR) * place.abs()
}

/// The room that a key that holds more than its share leaves free for others, with `n` in flight.
///
/// ```
/// use atrion::physics::fairness::room_for_others;
///
/// assert_eq!((room_for_others(0.0), room_for_others(100.0)), (0.0, 9.0));
/// ```
#[must_use]
pub fn room_for_others(n: f64) -> f64 {
    (n.sqrt() - 1.0).max(0.0)
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    weight: f64,
    held: u32,
    /// The next of its bucket, or of the entries that are free.
    next: u16,
}

image! { Entry { hash, weight, held, next } }

/// The work in flight of the keys of one route.
///
/// ```
/// use atrion::physics::fairness::{NO_KEY, Tally};
///
/// let mut tally = Tally::default();
/// let greedy = (0..9).fold(NO_KEY, |at, _| tally.take(at, 1, 1.0));
/// let modest = tally.take(NO_KEY, 2, 1.0);
/// assert!(tally.is_over(greedy, 1.0) && !tally.is_over(modest, 1.0));
/// tally.give(modest);
/// assert_eq!(tally.keys(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Tally {
    /// First entries of the buckets; their number is a power of two.
    buckets: Vec<u16>,
    entries: Vec<Entry>,
    free: Vec<u16>,
    /// n and W.
    held: f64,
    weights: f64,
}

impl Tally {
    #[inline]
    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// The number of a key that holds something; `NO_KEY` of any other.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64) -> u16 {
        let mut at = self.buckets.get(hash as usize & self.buckets.len().wrapping_sub(1)).copied().unwrap_or(NO_KEY);
        while let Some(entry) = self.entries.get(usize::from(at)) {
            if entry.hash == hash {
                break;
            }
            at = entry.next;
        }
        at
    }

    /// Keys that hold something.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Does the key of that number hold more than its share, at that weight?
    #[inline]
    #[must_use]
    pub fn is_over(&self, at: u16, weight: f64) -> bool {
        self.entries.get(usize::from(at)).is_some_and(|entry| {
            let weights = self.weights - entry.weight + weight;
            entry.held > 1 && f64::from(entry.held) * weights > self.held * weight
        })
    }

    /// A key takes a permit, found as `at`; the number to give it back by.
    pub fn take(&mut self, at: u16, hash: u64, weight: f64) -> u16 {
        self.held += 1.0;
        if let Some(entry) = self.entries.get_mut(usize::from(at)) {
            self.weights += weight - entry.weight;
            entry.weight = weight;
            entry.held += 1;
            return at;
        }
        if self.free.is_empty() {
            if self.entries.len() == MOST_KEYS {
                self.held -= 1.0;
                return NO_KEY;
            }
            self.free.push(self.entries.len() as u16);
            self.entries.push(Entry { hash, weight, held: 0, next: NO_KEY });
            if self.entries.len() > self.buckets.len() {
                self.rehash();
            }
        }
        let at = self.free.pop().unwrap_or(NO_KEY);
        let bucket = self.bucket(hash);
        self.entries[usize::from(at)] = Entry { hash, weight, held: 1, next: self.buckets[bucket] };
        self.buckets[bucket] = at;
        self.weights += weight;
        at
    }

    /// A permit comes back, by the number that `take` gave.
    pub fn give(&mut self, at: u16) {
        if at == NO_KEY {
            return;
        }
        self.held -= 1.0;
        let entry = &mut self.entries[usize::from(at)];
        entry.held -= 1;
        if entry.held > 0 {
            return;
        }
        let Entry { hash, weight, next, .. } = *entry;
        let bucket = self.bucket(hash);
        let mut before = self.buckets[bucket];
        if before == at {
            self.buckets[bucket] = next;
        } else {
            while self.entries[usize::from(before)].next != at {
                before = self.entries[usize::from(before)].next;
            }
            self.entries[usize::from(before)].next = next;
        }
        self.free.push(at);
        // The sum is exact again whenever nothing is held: errors of rounding do not pile up.
        self.weights = if self.held > 0.0 { self.weights - weight } else { 0.0 };
    }

    /// Returns whether every entry is in the list of its bucket or free, once, and every list has an end.
    #[cfg(not(target_family = "wasm"))]
    fn is_sound(&self) -> bool {
        let (entries, buckets) = (self.entries.len(), self.buckets.len());
        if entries > MOST_KEYS || (buckets > 0 && !buckets.is_power_of_two()) || buckets < entries {
            return false;
        }
        let mut seen = vec![false; entries];
        let mut is_new = |at: u16| seen.get_mut(usize::from(at)).is_some_and(|seen| !std::mem::replace(seen, true));
        for (bucket, &first) in self.buckets.iter().enumerate() {
            let mut at = first;
            while at != NO_KEY {
                if !is_new(at) {
                    return false;
                }
                let entry = self.entries[usize::from(at)];
                if entry.held == 0 || self.bucket(entry.hash) != bucket {
                    return false;
                }
                at = entry.next;
            }
        }
        self.free.iter().all(|&at| is_new(at)) && seen.iter().all(|&seen| seen)
    }

    /// Twice as many buckets; every entry that holds something is linked anew.
    fn rehash(&mut self) {
        let count = (2 * self.buckets.len()).max(8);
        self.buckets.fill(NO_KEY);
        while self.buckets.len() < count {
            self.buckets.push(NO_KEY);
        }
        self.free.reserve(count); // giving back must not allocate
        for at in 0..self.entries.len() {
            let Entry { hash, held, .. } = self.entries[at];
            if held > 0 {
                let bucket = self.bucket(hash);
                self.entries[at].next = std::mem::replace(&mut self.buckets[bucket], at as u16);
            }
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl crate::image::Image for Tally {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { buckets, entries, free, held, weights } = self;
        buckets.write(out);
        entries.write(out);
        free.write(out);
        held.write(out);
        weights.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let tally = Self {
            buckets: Vec::read(from)?,
            entries: Vec::read(from)?,
            free: Vec::read(from)?,
            held: f64::read(from)?,
            weights: f64::read(from)?,
        };
        tally.is_sound().then_some(tally)
    }
}
