//! Permits that are out: dense, reused, numbered so that an old number never means a new permit: a place that has given out all
//! of its numbers is never used again, at the cost of one place in 67 million permits. The permits of a route are threaded
//! oldest first, so that one that was never released is found without a search.

use super::table::Slot;
use crate::{
    physics::{blame::NO_CLASS, fairness::NO_KEY},
    units::Millis,
};

/// A permit's number as callers know it: place and generation, exact in an f64.
pub type PermitId = u64;

const NONE: u32 = u32::MAX;
const PLACE_BITS: u32 = 26;
const GENERATIONS: u32 = 1 << (52 - PLACE_BITS);

/// A number that no permit ever has: what stands for the permit of a request that was admitted without the engine.
pub const NO_PERMIT: PermitId = 1 << 52;

/// Where an admitted request is counted besides its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The tally's number of its key.
    pub key: u16,
    /// The number of its class.
    pub class: u8,
    /// Its tier.
    pub tier: u8,
}

impl Mark {
    /// Of a request without a key.
    pub fn of_tier(tier: u8) -> Self {
        Self { key: NO_KEY, class: NO_CLASS, tier }
    }
}

/// What is known of an admitted request.
#[derive(Debug, Clone, Copy)]
pub struct Permit {
    /// Its route …
    pub slot: Slot,
    /// … and which tenant of that slot.
    pub birth: u32,
    /// When it was admitted, ms.
    pub admitted_ms: Millis,
    /// Requests in flight then, itself included.
    pub in_flight: u32,
    /// Where it is counted.
    pub mark: Mark,
    generation: u32,
    older: u32,
    newer: u32,
}

/// The ends of a route's thread of permits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thread {
    oldest: u32,
    newest: u32,
}

impl Default for Thread {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Permits {
    all: Vec<Permit>,
    free: Vec<u32>,
}

impl Permits {
    /// A permit for a route; None when no further number fits.
    #[inline]
    pub fn grant(
        &mut self,
        thread: &mut Thread,
        slot: Slot,
        birth: u32,
        admitted_ms: Millis,
        in_flight: u32,
        mark: Mark,
    ) -> Option<PermitId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.all.len() < 1 << PLACE_BITS => {
                let vacant =
                    Permit { slot, birth, admitted_ms, in_flight, mark, generation: 0, older: NONE, newer: NONE };
                self.all.push(vacant);
                self.free.reserve(self.all.len()); // giving back must not allocate
                (self.all.len() - 1) as u32
            }
            None => return None,
        };
        let generation = self.all[place as usize].generation;
        let older = thread.newest;
        self.all[place as usize] = Permit { slot, birth, admitted_ms, in_flight, mark, generation, older, newer: NONE };
        match older {
            NONE => thread.oldest = place,
            _ => self.all[older as usize].newer = place,
        }
        thread.newest = place;
        Some(u64::from(generation) << PLACE_BITS | u64::from(place))
    }

    /// The permit of that number, if it is still out.
    pub fn get(&self, id: PermitId) -> Option<&Permit> {
        let permit = self.all.get((id & ((1 << PLACE_BITS) - 1)) as usize)?;
        (u64::from(permit.generation) == id >> PLACE_BITS && id < NO_PERMIT).then_some(permit)
    }

    /// Takes a permit back. Its number is void from now on.
    pub fn take(&mut self, id: PermitId, thread: &mut Thread) -> Option<Permit> {
        let permit = *self.get(id)?;
        self.unthread((id & ((1 << PLACE_BITS) - 1)) as u32, thread);
        Some(permit)
    }

    /// Takes back the oldest permit of a route if it was admitted before `before_ms`.
    pub fn take_older(&mut self, thread: &mut Thread, before_ms: Millis) -> Option<Permit> {
        let place = thread.oldest;
        let permit = *self.all.get(place as usize)?;
        if permit.admitted_ms >= before_ms {
            return None;
        }
        self.unthread(place, thread);
        Some(permit)
    }

    /// Voids all permits of a route.
    pub fn clear(&mut self, thread: &mut Thread) {
        while self.take_older(thread, f64::INFINITY).is_some() {}
    }

    fn unthread(&mut self, place: u32, thread: &mut Thread) {
        let Permit { older, newer, .. } = self.all[place as usize];
        match older {
            NONE => thread.oldest = newer,
            _ => self.all[older as usize].newer = newer,
        }
        match newer {
            NONE => thread.newest = older,
            _ => self.all[newer as usize].older = older,
        }
        let permit = &mut self.all[place as usize];
        permit.generation += 1;
        if permit.generation < GENERATIONS {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERATIONS, Mark, NO_PERMIT, PLACE_BITS, Permits, Thread};

    #[test]
    fn a_place_that_has_given_out_its_numbers_is_never_used_again() {
        let (mut permits, mut thread) = (Permits::default(), Thread::default());
        assert_eq!(permits.grant(&mut thread, 0, 0, 0.0, 1, Mark::of_tier(2)), Some(0));
        permits.all[0].generation = GENERATIONS - 1;
        let last = u64::from(GENERATIONS - 1) << PLACE_BITS;
        assert!(permits.get(0).is_none() && permits.get(last).is_some());
        assert!(permits.take(last, &mut thread).is_some());
        // Neither its first number, nor its last, nor the one that would be next.
        for id in [0, last, NO_PERMIT] {
            assert!(permits.get(id).is_none() && permits.take(id, &mut thread).is_none());
        }
        for place in 1..4_u64 {
            assert_eq!(permits.grant(&mut thread, 0, 0, 0.0, 1, Mark::of_tier(2)), Some(place));
        }
        assert!(permits.free.is_empty());
    }

    #[test]
    fn two_places_in_turn_never_repeat_a_number() {
        let (mut permits, mut thread) = (Permits::default(), Thread::default());
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let id = permits.grant(&mut thread, 0, 0, 0.0, 1, Mark::of_tier(2)).unwrap();
            assert!(id < NO_PERMIT && seen.insert(id));
            assert!(permits.take(id, &mut thread).is_some());
        }
    }
}
