//! Blame: the class of keys that explains a route's failures.
//!
//! ```text
//! every class has a success ratio and a breaker of its own (`breaker`), opened, probed and healed like a route's
//! an outcome counts for the route, too, unless its class has failed `EXPLAINED` times in a row or its breaker is open
//! ```
//!
//! So where one class fails and the rest succeed, the route has seen `EXPLAINED` failures of it and then only the others'
//! successes, however much of the traffic the class has: its breaker opens, and the route's does not. Where everything
//! fails, either there are many classes, and each says so before it is explained away, or few, and each opens by itself.
//!
//! Classes are few (`MOST_CLASSES`). One that is healthy and has nothing out is no loss, because a new one starts as healthy; so
//! the least recently used of those gives way to a newcomer. Those that fail stay while they are used. Without a place for
//! it, a class is lumped together with all others that have none.

use super::breaker::Breaker;
use crate::units::Millis;

/// The most classes that are distinguished.
const MOST_CLASSES: usize = 64;
/// Stands for a request without a class.
pub const NO_CLASS: u8 = u8::MAX;
/// The consecutive failures of one class after which further ones do not count for the route.
const EXPLAINED: u32 = 3;
/// A class that fails gives way to another when it was not used for so long, ms.
const FORGOTTEN_MS: Millis = 60_000.0;
/// The success ratio from which a class that did not fail last is healthy.
const HEALTHY: f64 = 0.75;

#[derive(Debug, Clone, Copy)]
struct Class {
    breaker: Breaker,
    /// Permits that the key holds.
    out: u32,
    used_ms: Millis,
}

image! { Class { breaker, out, used_ms } }

/// The classes of one route.
///
/// ```
/// use atrion::physics::blame::Classes;
///
/// let mut classes = Classes::default();
/// let failing = classes.find(0xbad, 0.0);
/// for _ in 0..100 {
///     classes.observe(failing, false);
/// }
/// assert_eq!(classes.open(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Classes {
    hashes: Vec<u64>,
    /// In the order of the hashes; the last, once there is no further place, is what is lumped together.
    all: Vec<Class>,
}

impl Classes {
    /// The index of a class that is used at `now_ms`, registered if it is new.
    pub fn find(&mut self, hash: u64, now_ms: Millis) -> u8 {
        let fresh = Class { breaker: Breaker::default(), out: 0, used_ms: now_ms };
        let known = self.hashes.iter().position(|&known| known == hash);
        let at = known.unwrap_or_else(|| {
            if self.hashes.len() < MOST_CLASSES {
                self.hashes.push(hash);
                self.all.push(fresh);
                return self.hashes.len() - 1;
            }
            match self.dispensable(now_ms) {
                Some(at) => {
                    self.hashes[at] = hash;
                    self.all[at] = fresh;
                    at
                }
                None => {
                    if self.all.len() == MOST_CLASSES {
                        self.all.push(fresh);
                    }
                    MOST_CLASSES
                }
            }
        });
        self.all[at].used_ms = now_ms;
        at as u8
    }

    /// The least recently used class that gives way to another.
    fn dispensable(&self, now_ms: Millis) -> Option<usize> {
        let gives_way = |class: &Class| {
            let is_healthy = !class.breaker.is_open()
                && class.breaker.consecutive_failures() == 0
                && class.breaker.success() > HEALTHY;
            class.out == 0 && (is_healthy || now_ms - class.used_ms > FORGOTTEN_MS)
        };
        let mut found: Option<usize> = None;
        for at in 0..MOST_CLASSES {
            if gives_way(&self.all[at]) && found.is_none_or(|best| self.all[at].used_ms < self.all[best].used_ms) {
                found = Some(at);
            }
        }
        found
    }

    /// The breaker of a class.
    pub fn breaker(&mut self, at: u8) -> Option<&mut Breaker> {
        self.all.get_mut(usize::from(at)).map(|class| &mut class.breaker)
    }

    /// A class takes a permit (1), or gives it back (−1).
    pub fn hold(&mut self, at: u8, change: i32) {
        if let Some(class) = self.all.get_mut(usize::from(at)) {
            class.out = class.out.saturating_add_signed(change);
        }
    }

    /// Counts an outcome of a class; whether the class explains it.
    pub fn observe(&mut self, at: u8, succeeded: bool) -> bool {
        self.breaker(at).is_some_and(|breaker| {
            let was_open = breaker.is_open();
            breaker.observe(succeeded, 0.0);
            was_open || breaker.is_open() || breaker.consecutive_failures() > EXPLAINED
        })
    }

    /// Classes whose breaker is open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.all.iter().filter(|class| class.breaker.is_open()).count()
    }
}

#[cfg(not(target_family = "wasm"))]
impl crate::image::Image for Classes {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { hashes, all } = self;
        hashes.write(out);
        all.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let classes = Self { hashes: Vec::read(from)?, all: Vec::read(from)? };
        let (named, all) = (classes.hashes.len(), classes.all.len());
        (named <= MOST_CLASSES && (all == named || all == MOST_CLASSES + 1)).then_some(classes)
    }
}
