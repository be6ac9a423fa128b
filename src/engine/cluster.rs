//! A handle's part in a cluster: which routes were used, what others say of them, what is inherited from a store.

use super::{Handle, Slot, guard::Guard};
use crate::{
    physics::{cluster::Share, tick::RouteState},
    units::Ohms,
};

impl Handle {
    /// The next route that was used since this was last asked, the least recently used first; every route, the first time.
    pub fn next_used(&mut self) -> Option<Slot> {
        self.seat.table().0.next_used()
    }

    /// Others share this in a route's physics; R follows at once. Nothing happens when there is no route in the slot.
    pub fn share(&mut self, slot: Slot, share: Share) {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        if table.holds(slot) {
            table.set_share(slot, share);
            let state = table.state(slot);
            state.listen(Some(&share), self.laws.get(state.law));
        }
    }

    /// A route goes before all that were used: it was only heard of.
    pub fn demote(&mut self, slot: Slot) {
        let (mut table, _) = self.seat.table();
        if table.holds(slot) {
            table.demote(slot);
        }
    }

    /// The state of a route; what others add to its scar, Ω, negative where they calm it; and what the route suffers by this
    /// node's own measurements, Ω: its scar, and the resistance of its faults.
    #[must_use]
    pub fn told(&self, slot: Slot) -> Option<(RouteState, Ohms, Ohms)> {
        let mut table = self.engine().table.lock();
        if !table.holds(slot) {
            return None;
        }
        let state = *table.state(slot);
        let others = state.blended_scar(table.share(slot)) - state.scar;
        Some((state, others, suffering(table.guard_of(slot), &state)))
    }
}

/// What a route suffers by this node's own measurements, Ω.
pub(super) fn suffering(guard: Option<&Guard>, state: &RouteState) -> Ohms {
    guard.map_or(state.scar, |guard| guard.suffering(state))
}
