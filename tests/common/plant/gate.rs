//! Gates: what stands between the traffic and the plant.

use atrion::{
    engine::{AcquireRequest, Handle, Limits, Name, Outcome, PermitId, Priority, Slot, Stats},
    physics::{params::RouteParams, voltage::Tier},
};

use super::traffic::Arrival;

/// Decides which requests reach a plant.
pub trait Gate {
    /// The permit of an admitted request.
    fn ask(&mut self, arrival: &Arrival, now_ms: f64) -> Option<PermitId>;
    /// An admitted request is over.
    fn done(&mut self, permit: PermitId, outcome: Outcome, now_ms: f64);
}

/// Admits everything.
#[derive(Debug)]
pub struct Unguarded;

impl Gate for Unguarded {
    fn ask(&mut self, _: &Arrival, _: f64) -> Option<PermitId> {
        Some(0)
    }

    fn done(&mut self, _: PermitId, _: Outcome, _: f64) {}
}

/// A route of an engine, with the default law but for the deadline.
#[derive(Debug)]
pub struct LimitedRoute {
    handle: Handle,
    slot: Slot,
}

impl LimitedRoute {
    /// A route that nothing has asked yet, whose answers are of use for `deadline_ms`.
    pub fn new(deadline_ms: f64) -> Self {
        let mut params = RouteParams::default();
        params.limit.deadline_ms = deadline_ms;
        // Every permit is released here, however long it takes.
        params.max_duration_ms = f64::MAX;
        let mut handle = Handle::alone(Limits::of_routes(1));
        let id = handle.define_params(params, None).expect("room for a law");
        let slot = handle.intern(Name::from("route"), 0.0);
        assert!(handle.set_params(slot, id));
        Self { handle, slot }
    }

    /// The route's statistics.
    pub fn stats(&self) -> Stats {
        self.handle.stats(self.slot).expect("a closed loop")
    }
}

impl Gate for LimitedRoute {
    fn ask(&mut self, arrival: &Arrival, now_ms: f64) -> Option<PermitId> {
        let tier = Tier::from_index(arrival.tier).expect("a tier");
        let push = Priority::Tier(tier, Some(arrival.level));
        let ask = AcquireRequest { priority: push, ..AcquireRequest::default() };
        let mut permit = None;
        self.handle.acquire(self.slot, ask, 0.0, now_ms, |answer, _, _| permit = answer.permit).expect("a route");
        permit
    }

    fn done(&mut self, permit: PermitId, outcome: Outcome, now_ms: f64) {
        assert!(self.handle.release(permit, outcome, now_ms, |_, _, _, _| {}).is_some(), "a permit that was out");
    }
}
