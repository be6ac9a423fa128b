//! A handle's closed loop: permits, leases, statistics.

use super::{
    Handle,
    engine_ref::At,
    ids::{PermitId, Slot},
    limiter::{AcquireRequest, AcquireResult, Outcome, Stats},
    permits::Permit,
    routes::LimitedRoute,
};
use crate::{
    physics::{
        peers::Blend,
        tick::{RouteState, Tick},
    },
    units::Millis,
};

impl Handle {
    /// Decides a request for a permit; `report` receives the result, the state it was decided on, and what peers report.
    /// `queue_age_ms` is how long it waited in front of the process; negative when it asks again. None: the route was evicted;
    /// intern it again.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn acquire(
        &mut self,
        slot: Slot,
        mut request: AcquireRequest,
        queue_age_ms: Millis,
        now_ms: Millis,
        report: impl FnOnce(&AcquireResult, &RouteState, Option<&Blend>),
    ) -> Option<()> {
        let At { mut table, slot, seen, params } = self.engine_ref.at(slot);
        self.params.refresh(params);
        let table = &mut *table;
        if Self::see_evictions(table, seen, &mut self.unreported) {
            return None;
        }
        let params = self.params.get(table.touch(slot)?.0.params_id);
        table.ensure_limiter(slot, params, now_ms);
        if queue_age_ms >= 0.0 {
            request.queue_place = self.queue.place(queue_age_ms, params.limit.deadline_ms, now_ms);
        }
        let admit_all = table.dry_run;
        let LimitedRoute { state, peers, limiter, mut capacity, permits, .. } = table.limited(slot)?;
        let result = limiter.acquire(slot, state, peers, &mut capacity, permits, params, &request, admit_all, now_ms);
        report(&result, state, peers);
        if queue_age_ms > 0.0 {
            self.queue.answered(result.permit.is_some());
        }
        Some(())
    }

    /// Releases a permit; `report` receives the tick that was due. How long it was out, ms; None, and nothing changes, when it is void.
    pub fn release(
        &mut self,
        id: PermitId,
        outcome: Outcome,
        now_ms: Millis,
        report: impl FnOnce(Slot, &Tick, &RouteState, Option<&Blend>),
    ) -> Option<Millis> {
        let At { mut table, params, .. } = self.engine_ref.at_permit(id);
        self.params.refresh(params);
        let table = &mut *table;
        let &Permit { slot, route_generation, .. } = table.permit(id)?;
        let LimitedRoute { state, peers, limiter, mut capacity, permits, shard } = table.limited(slot)?;
        if limiter.generation() != route_generation {
            return None;
        }
        let params = self.params.get(state.params_id);
        let (tick, age_ms) = limiter.release(id, outcome, state, peers, &mut capacity, permits, params, now_ms)?;
        if let Some(tick) = tick {
            report(shard.slot(slot), &tick, state, peers);
        }
        Some(age_ms)
    }

    /// The slot of the route that a permit was granted on; None when the permit is void.
    #[must_use]
    pub fn slot_of(&self, id: PermitId) -> Option<Slot> {
        let table = self.engine().lock_permit(id);
        table.permit(id).map(|permit| table.global(permit.slot))
    }

    /// Records the outcome of a detached request that was admitted `age_ms` ago.
    pub fn conclude(&self, slot: Slot, outcome: Outcome, age_ms: Millis, now_ms: Millis) {
        let (mut table, slot) = self.engine().lock(slot);
        if let Some(LimitedRoute { state, peers, limiter, .. }) = table.limited(slot) {
            limiter.conclude(outcome, age_ms, state, peers, now_ms);
        }
    }

    /// Counts a lease as work in flight of a route, or no longer.
    pub fn lease(&mut self, slot: Slot, taken: bool, now_ms: Millis) {
        let At { mut table, slot, params, .. } = self.engine_ref.at(slot);
        self.params.refresh(params);
        if !table.holds(slot) {
            return;
        }
        if taken || table.limited(slot).is_some() {
            let params = self.params.get(table.state(slot).params_id);
            table.ensure_limiter(slot, params, now_ms);
        }
        if let Some(LimitedRoute { limiter, mut capacity, .. }) = table.limited(slot) {
            limiter.lease(&mut capacity, taken);
        }
    }

    /// The statistics of a route's closed loop; None while it has none.
    #[must_use]
    pub fn stats(&self, slot: Slot) -> Option<Stats> {
        let (mut table, slot) = self.engine().lock(slot);
        let LimitedRoute { state, peers, limiter, capacity, .. } = table.limited(slot)?;
        Some(limiter.stats(state, peers, &capacity, self.params.get(state.params_id)))
    }
}
