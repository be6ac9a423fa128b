//! The work in flight of a route: permits granted and taken back, counted by tier, key and class.

use super::{Limiter, SILENT_DEADLINES, capacity::Capacity};
use crate::{
    engine::{
        ids::{PermitId, Slot},
        permits::{Mark, Permits},
    },
    physics::{blame::Classes, fairness::Tally, params::RouteParams},
    units::Millis,
};

impl Limiter {
    /// The index of a class, registered on first use.
    #[inline(never)]
    pub(super) fn class(&mut self, hash: u64, now_ms: Millis) -> u8 {
        self.classes.get_or_insert_default().find(hash, now_ms)
    }

    #[inline]
    pub(super) fn admit(
        &mut self,
        slot: Slot,
        capacity: &mut Capacity,
        permits: &mut Permits,
        mark: Mark,
        params: &RouteParams,
        now_ms: Millis,
    ) -> Option<PermitId> {
        if self.load.in_flight == 0 {
            let is_idle = now_ms - self.ended_ms > SILENT_DEADLINES * params.limit.deadline_ms;
            if is_idle || self.cut_off == 0 {
                self.cut_off = 0;
                self.completed_ms = now_ms;
            }
        }
        let permit = permits.grant(&mut self.list, slot, self.generation, now_ms, capacity.load.in_flight + 1, mark);
        if permit.is_none() {
            self.unmark(mark);
            return None;
        }
        self.load.enter(mark);
        capacity.admit(mark, params);
        capacity.limit.admit(capacity.load.under_way(), now_ms);
        permit
    }

    /// Releases the key and class counts of a permit.
    #[inline]
    pub(super) fn unmark(&mut self, mark: Mark) {
        if let Some(tally) = &mut self.tally {
            Self::unmark_key(tally, &mut self.classes, mark);
        }
    }

    #[inline(never)]
    fn unmark_key(tally: &mut Tally, classes: &mut Option<Box<Classes>>, mark: Mark) {
        tally.give(mark.key);
        if let Some(classes) = classes {
            classes.hold(mark.class, -1);
        }
    }

    /// Removes a permit from the work in flight.
    #[inline]
    pub(super) fn leave(&mut self, capacity: &mut Capacity, mark: Mark) {
        self.load.leave(mark);
        capacity.load.leave(mark);
        self.unmark(mark);
    }
}
