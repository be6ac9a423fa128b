//! The granted permits: dense, reused, numbered so that an old number never means a new permit: a place that has given out all
//! of its numbers is never used again, at the cost of one place in 67 million permits. The permits of a route form a list,
//! oldest first, so that one that was never released is found without a search.

use super::ids::{NO_PERMIT, PLACE_BITS, PermitId, ShardId, Slot};
use crate::{
    physics::{blame::NO_CLASS, fairness::NO_KEY, params::LANES, voltage::TIERS},
    units::Millis,
};

const NONE: u32 = u32::MAX;
/// Most permits that one count looks at.
const LOOKS: u32 = 1024;
const GENERATIONS: u32 = 1 << (52 - PLACE_BITS);

/// The counters of an admitted request besides its route's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The index of its key in the tally.
    pub key: u16,
    /// The index of its class.
    pub class: u8,
    /// The permit's tier and, of one in a lane, the lane: a bit of each, in the order of
    /// [`RouteParams::reserve`](crate::physics::params::RouteParams::reserve).
    pub groups: u8,
}

image! { Mark { key, class, groups } }

/// The bits of lanes.
const LANE_BITS: u8 = u8::MAX << TIERS;
/// The index of any bit.
const INDEX: u32 = u8::BITS - 1;

impl Mark {
    /// The mark of a request without a key.
    #[inline]
    pub fn of_tier(tier: u8) -> Self {
        Self { key: NO_KEY, class: NO_CLASS, groups: 1 << tier }
    }

    /// The same in a lane, 1 to `LANES`; 0, and any other number: in none.
    #[inline]
    pub fn in_lane(self, lane: u8) -> Self {
        // That of no lane is the top tier's, and that of a number beyond the last does not fit.
        let bit = (1_u32 << (TIERS - 1 + usize::from(lane).min(LANES + 1))) as u8 & LANE_BITS;
        Self { groups: self.groups | bit, ..self }
    }

    /// The index of the permit's tier.
    #[inline]
    pub fn tier(self) -> usize {
        (self.groups.trailing_zeros() & INDEX) as usize
    }

    /// The index of the permit's lane, among tiers and lanes; None: it is in none.
    #[inline]
    pub fn lane(self) -> Option<usize> {
        let bits = self.groups & LANE_BITS;
        (bits != 0).then(|| (bits.trailing_zeros() & INDEX) as usize)
    }
}

/// A granted permit.
#[derive(Debug, Clone, Copy)]
pub struct Permit {
    /// The slot of its route.
    pub slot: Slot,
    /// The generation of that slot when the permit was granted.
    pub route_generation: u32,
    /// The time at which it was admitted, ms.
    pub admitted_ms: Millis,
    /// Requests in flight at that time, itself included.
    pub in_flight: u32,
    /// The permit's counters.
    pub mark: Mark,
    generation: u32,
    older: u32,
    newer: u32,
}

image! { Permit { slot, route_generation, admitted_ms, in_flight, mark, generation, older, newer } }

/// The part of a permit that its end is judged by. Smaller than a permit: a copy of a whole one, just after it was written in
/// parts, waits for them.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// The time at which it was admitted, ms.
    pub admitted_ms: Millis,
    /// Requests in flight at that time, itself included.
    pub in_flight: u32,
    /// The permit's counters.
    pub mark: Mark,
}

impl Permit {
    fn taken(&self) -> Taken {
        Taken { admitted_ms: self.admitted_ms, in_flight: self.in_flight, mark: self.mark }
    }
}

/// The ends of a route's list of permits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PermitList {
    oldest: u32,
    newest: u32,
}

image! { PermitList { oldest, newest } }

impl Default for PermitList {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

/// The permits of all routes of a table: see the module.
#[derive(Debug)]
pub struct Permits {
    all: Vec<Permit>,
    free: Vec<u32>,
    /// The bits of a number that are the place in `all`.
    #[cfg(not(target_family = "wasm"))]
    place_mask: PermitId,
    /// The bits of every number that name the shard.
    #[cfg(not(target_family = "wasm"))]
    shard_bits: PermitId,
}

#[cfg(not(target_family = "wasm"))]
impl crate::image::Image for Permits {
    fn write(&self, out: &mut Vec<u8>) {
        self.all.write(out);
        self.free.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (all, free) = (Vec::read(from)?, Vec::read(from)?);
        Some(Self { all, free, ..Self::new(ShardId::ONLY) })
    }
}

impl Permits {
    /// No permits yet, of a shard.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(shard: ShardId) -> Self {
        let place_bits = PLACE_BITS - shard.bits;
        Self {
            all: Vec::new(),
            free: Vec::new(),
            place_mask: (1 << place_bits) - 1,
            shard_bits: u64::from(shard.index) << place_bits,
        }
    }

    /// No permits yet.
    #[cfg(target_family = "wasm")]
    pub fn new(_: ShardId) -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }

    /// The place of a permit by its number.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    fn place_of(&self, id: PermitId) -> u32 {
        (id & self.place_mask) as u32
    }

    /// The place of a permit by its number.
    #[cfg(target_family = "wasm")]
    #[inline]
    #[allow(clippy::unused_self, reason = "it depends on the shard where there are several")]
    fn place_of(&self, id: PermitId) -> u32 {
        (id & ((1 << PLACE_BITS) - 1)) as u32
    }

    /// The number of the permit in that place.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    fn id_of(&self, place: u32, generation: u32) -> PermitId {
        u64::from(generation) << PLACE_BITS | u64::from(place) | self.shard_bits
    }

    /// The number of the permit in that place.
    #[cfg(target_family = "wasm")]
    #[inline]
    #[allow(clippy::unused_self, reason = "it depends on the shard where there are several")]
    fn id_of(&self, place: u32, generation: u32) -> PermitId {
        u64::from(generation) << PLACE_BITS | u64::from(place)
    }

    /// Returns whether a place can be added.
    fn has_room(&self) -> bool {
        self.place_of(self.all.len() as PermitId) as usize == self.all.len()
    }

    /// Grants a permit for a route; None when no number is left.
    #[inline]
    pub fn grant(
        &mut self,
        list: &mut PermitList,
        slot: Slot,
        route_generation: u32,
        admitted_ms: Millis,
        in_flight: u32,
        mark: Mark,
    ) -> Option<PermitId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.has_room() => {
                let vacant = Permit {
                    slot,
                    route_generation,
                    admitted_ms,
                    in_flight,
                    mark,
                    generation: 0,
                    older: NONE,
                    newer: NONE,
                };
                self.all.push(vacant);
                self.free.reserve(self.all.len()); // giving back must not allocate
                (self.all.len() - 1) as u32
            }
            None => return None,
        };
        let older = list.newest;
        let permit = &mut self.all[place as usize];
        let generation = permit.generation;
        *permit = Permit { slot, route_generation, admitted_ms, in_flight, mark, generation, older, newer: NONE };
        match older {
            NONE => list.oldest = place,
            _ => self.all[older as usize].newer = place,
        }
        list.newest = place;
        Some(self.id_of(place, generation))
    }

    /// The permit of that number, unless it was taken back.
    pub fn get(&self, id: PermitId) -> Option<&Permit> {
        let permit = self.all.get(self.place_of(id) as usize)?;
        (u64::from(permit.generation) == id >> PLACE_BITS && id < NO_PERMIT).then_some(permit)
    }

    /// Postpones the admission of a permit that is about to be taken back, ms: until then the list is out of order.
    #[cfg(not(target_family = "wasm"))]
    pub fn postpone(&mut self, id: PermitId, by_ms: Millis) {
        if self.get(id).is_some() {
            let place = self.place_of(id);
            self.all[place as usize].admitted_ms += by_ms;
        }
    }

    /// Takes a permit back. Its number is void afterwards.
    #[inline]
    pub fn take(&mut self, id: PermitId, list: &mut PermitList) -> Option<Taken> {
        let permit = self.get(id)?.taken();
        self.unlink(self.place_of(id), list);
        Some(permit)
    }

    /// The permits of a route that were admitted after `after_ms` and before `due_ms`, none unless the oldest of them was before
    /// `overdue_ms`, the earlier of the two. At most `LOOKS` are looked at, so that those held for long, however many, cost no more.
    #[inline(never)]
    pub fn count_due(&self, list: PermitList, after_ms: Millis, [due_ms, overdue_ms]: [Millis; 2]) -> u32 {
        let (mut place, mut before_ms, mut count) = (list.oldest, overdue_ms, 0);
        for _ in 0..LOOKS {
            let Some(permit) = self.all.get(place as usize) else { break };
            if permit.admitted_ms >= before_ms {
                break;
            }
            if permit.admitted_ms > after_ms {
                count += 1;
                before_ms = due_ms;
            }
            place = permit.newer;
        }
        count
    }

    /// Takes back the oldest permit of a route if it was admitted before `before_ms`.
    pub fn take_older(&mut self, list: &mut PermitList, before_ms: Millis) -> Option<Taken> {
        let place = list.oldest;
        let permit = self.all.get(place as usize).filter(|permit| permit.admitted_ms < before_ms)?.taken();
        self.unlink(place, list);
        Some(permit)
    }

    /// Voids all permits of a route.
    pub fn clear(&mut self, list: &mut PermitList) {
        while self.take_older(list, f64::INFINITY).is_some() {}
    }

    /// For each place whether it is free.
    #[cfg(not(target_family = "wasm"))]
    pub fn places(&self) -> Vec<bool> {
        let mut is_free = vec![false; self.all.len()];
        for &place in &self.free {
            if let Some(place) = is_free.get_mut(place as usize) {
                *place = true;
            }
        }
        is_free
    }

    /// Returns whether a list is one of permits of that route, none of which was `seen` before, or is free.
    #[cfg(not(target_family = "wasm"))]
    pub fn is_list(&self, list: PermitList, slot: Slot, route_generation: u32, seen: &mut [bool]) -> bool {
        let (mut place, mut older) = (list.oldest, NONE);
        while place != NONE {
            let is_new = seen.get_mut(place as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            if !is_new {
                return false;
            }
            let permit = &self.all[place as usize];
            if permit.older != older || permit.slot != slot || permit.route_generation != route_generation {
                return false;
            }
            (older, place) = (place, permit.newer);
        }
        older == list.newest && self.free.iter().all(|&place| (place as usize) < self.all.len())
    }

    #[cfg_attr(not(target_family = "wasm"), inline)]
    fn unlink(&mut self, place: u32, list: &mut PermitList) {
        let permit = &mut self.all[place as usize];
        let Permit { older, newer, .. } = *permit;
        permit.generation += 1;
        let is_used_up = permit.generation >= GENERATIONS;
        match older {
            NONE => list.oldest = newer,
            _ => self.all[older as usize].newer = newer,
        }
        match newer {
            NONE => list.newest = older,
            _ => self.all[newer as usize].older = older,
        }
        if !is_used_up {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERATIONS, Mark, NO_PERMIT, PLACE_BITS, PermitList, Permits, ShardId};

    #[test]
    fn a_place_that_has_given_out_its_numbers_is_never_used_again() {
        let (mut permits, mut list) = (Permits::new(ShardId::ONLY), PermitList::default());
        assert_eq!(permits.grant(&mut list, 0, 0, 0.0, 1, Mark::of_tier(2)), Some(0));
        permits.all[0].generation = GENERATIONS - 1;
        let last = u64::from(GENERATIONS - 1) << PLACE_BITS;
        assert!(permits.get(0).is_none() && permits.get(last).is_some());
        assert!(permits.take(last, &mut list).is_some());
        // Neither its first number, nor its last, nor the one that would be next.
        for id in [0, last, NO_PERMIT] {
            assert!(permits.get(id).is_none() && permits.take(id, &mut list).is_none());
        }
        for place in 1..4_u64 {
            assert_eq!(permits.grant(&mut list, 0, 0, 0.0, 1, Mark::of_tier(2)), Some(place));
        }
        assert!(permits.free.is_empty());
    }

    #[test]
    fn permits_of_two_shards_never_have_one_number_and_name_their_shard() {
        let mut seen = std::collections::HashSet::new();
        for index in 0..4 {
            let (mut permits, mut list) = (Permits::new(ShardId { index, bits: 2 }), PermitList::default());
            for turn in 0..1000 {
                let id = permits.grant(&mut list, 0, 0, 0.0, 1, Mark::of_tier(2)).unwrap();
                assert!(id < NO_PERMIT && seen.insert(id));
                assert_eq!(ShardId::of_permit(id, 2), index as usize);
                assert!(turn % 3 == 0 || permits.take(id, &mut list).is_some());
            }
        }
    }

    #[test]
    fn two_places_in_turn_never_repeat_a_number() {
        let (mut permits, mut list) = (Permits::new(ShardId::ONLY), PermitList::default());
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let id = permits.grant(&mut list, 0, 0, 0.0, 1, Mark::of_tier(2)).unwrap();
            assert!(id < NO_PERMIT && seen.insert(id));
            assert!(permits.take(id, &mut list).is_some());
        }
    }
}
