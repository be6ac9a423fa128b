//! The metrics of a route: its state, its statistics, and its totals.

use super::{
    Handle,
    ids::Slot,
    limiter::{Sheds, Stats},
    routes::LimitedRoute,
};
use crate::{physics::tick::RouteState, units::Ohms};

/// The metrics of a route.
#[derive(Debug)]
pub struct RouteMetrics<'a> {
    /// The route's state.
    pub state: &'a RouteState,
    /// The addition of peers to its scar, Ω.
    pub cluster: Ohms,
    /// The statistics of its closed loop; None while it has none.
    pub stats: Option<Stats>,
    /// Requests shed, by tier and cause; None before the first.
    pub sheds: Option<&'a Sheds>,
}

impl Handle {
    /// The slots that were ever used: the routes are in some of them.
    #[must_use]
    pub fn slots(&self) -> Slot {
        self.engine().slots()
    }

    /// Reads the metrics of the route in a slot; false when there is none. The lock is taken for each, so that reading all of
    /// them holds up no decision.
    pub fn metrics(&self, slot: Slot, read: impl FnOnce(&RouteMetrics)) -> bool {
        let (mut table, slot) = self.engine().lock(slot);
        if !table.holds(slot) {
            return false;
        }
        let state = *table.state(slot);
        let cluster = state.blended_scar(table.peer_part(slot).map(|part| &part.blend)) - state.scar;
        let (mut stats, mut sheds) = (None, None);
        if let Some(LimitedRoute { state, peers, limiter, capacity, .. }) = table.limited(slot) {
            stats = Some(limiter.stats(state, peers, &capacity, self.params.get(state.params_id)));
            sheds = limiter.sheds();
        }
        read(&RouteMetrics { state: &state, cluster, stats, sheds });
        true
    }
}
