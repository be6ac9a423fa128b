//! A handle's view of its peers: which routes were used, what other nodes report of them.

use super::{Handle, ids::Slot, limiter::Limiter};
use crate::{
    physics::{peers::Blend, tick::RouteState},
    units::Ohms,
};

impl Handle {
    /// The next route that was used since the last call, the least recently used first; at first every route.
    pub fn next_dirty(&mut self) -> Option<Slot> {
        self.engine_ref.table().0.next_dirty()
    }

    /// Sets what peers report of a route; R follows at once. Does nothing when there is no route in the slot.
    pub fn set_blend(&mut self, slot: Slot, blend: Blend) {
        let (mut table, params) = self.engine_ref.table();
        self.params.refresh(params);
        if table.holds(slot) {
            table.set_blend(slot, blend);
            let state = table.state(slot);
            state.follow_peers(Some(&blend), self.params.get(state.params_id));
        }
    }

    /// Makes a route the least recently used: it was loaded, not used.
    pub fn demote(&mut self, slot: Slot) {
        let (mut table, _) = self.engine_ref.table();
        if table.holds(slot) {
            table.demote(slot);
        }
    }

    /// The state of a route; what peers add to its scar, Ω, negative where they lower it; and the scar that this node reports of
    /// it, Ω: by its own measurements, its breaker included.
    #[must_use]
    pub fn reported_state(&self, slot: Slot) -> Option<(RouteState, Ohms, Ohms)> {
        let mut table = self.engine().table.lock();
        if !table.holds(slot) {
            return None;
        }
        let state = *table.state(slot);
        let added = state.blended_scar(table.blend(slot)) - state.scar;
        Some((state, added, reported_scar(table.limiter_of(slot), &state)))
    }
}

/// The scar that this node reports of a route, Ω: by its own measurements, its breaker included.
pub(super) fn reported_scar(limiter: Option<&Limiter>, state: &RouteState) -> Ohms {
    limiter.map_or(state.scar, |limiter| limiter.reported_scar(state))
}
