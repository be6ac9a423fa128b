//! A handle's part in a cluster: which routes were used, what others say of them, what is inherited from a store.

use super::{Handle, Slot, guard::Guard};
use crate::{
    physics::{
        cluster::{Chorus, Share},
        tick::RouteState,
    },
    units::{Millis, Ohms},
};

impl Handle {
    /// The next route that was used since this was last asked, the least recently used first; every route, the first time.
    pub fn next_used(&mut self) -> Option<Slot> {
        self.engine().table.lock().next_used()
    }

    /// Other nodes say this of a route, and weigh `gamma`, [0, 1]. False when there is no route in the slot.
    pub fn listen(&mut self, slot: Slot, chorus: &Chorus, gamma: f64) -> bool {
        self.laws.refresh(&self.seat.engine().laws);
        let mut table = self.seat.engine().table.lock();
        if !table.holds(slot) {
            return false;
        }
        let state = *table.state(slot);
        let local = suffering(table.guard_of(slot), &state);
        let law = self.laws.get(table.state(slot).law);
        let share = chorus.share(local, gamma, law);
        table.set_share(slot, share);
        table.state(slot).listen(Some(&share), law);
        true
    }

    /// Nobody else speaks any more, of any route.
    pub fn silence(&mut self) {
        self.engine().table.lock().silence();
    }

    /// What others add to a route's scar, Ω; negative where they calm it.
    #[must_use]
    pub fn others(&self, slot: Slot) -> Ohms {
        let mut table = self.engine().table.lock();
        let Some(&share) = table.share(slot).filter(|share| **share != Share::NONE) else { return 0.0 };
        if !table.holds(slot) {
            return 0.0;
        }
        let scar = table.state(slot).scar;
        share.blend(scar) - scar
    }

    /// What a route suffers by this node's own measurements, Ω: its scar, and the resistance of its faults.
    #[must_use]
    pub fn suffered(&self, slot: Slot) -> Ohms {
        let mut table = self.engine().table.lock();
        if !table.holds(slot) {
            return 0.0;
        }
        let state = *table.state(slot);
        suffering(table.guard_of(slot), &state)
    }

    /// A route takes over what a store knew of it. It is not used by that, and goes before all that were. False when there is
    /// no route in the slot, or when it was measured here already.
    pub fn inherit(&mut self, slot: Slot, scar: Ohms, ticks: u32, now_ms: Millis) -> bool {
        self.laws.refresh(&self.seat.engine().laws);
        let mut table = self.seat.engine().table.lock();
        if !table.holds(slot) {
            return false;
        }
        let law = self.laws.get(table.state(slot).law);
        let inherited = table.state(slot).inherit(law, scar, ticks, now_ms);
        if inherited {
            table.demote(slot);
        }
        inherited
    }
}

/// What a route suffers by this node's own measurements, Ω.
pub(super) fn suffering(guard: Option<&Guard>, state: &RouteState) -> Ohms {
    guard.map_or(state.scar, |guard| guard.suffering(state))
}
