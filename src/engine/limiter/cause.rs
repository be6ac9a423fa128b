//! The cause of a refusal: the obstacle that, if it were away, would have let the request flow.

use super::{AcquireRequest, Limiter, Terms};
use crate::{
    physics::tick::{Override, RouteState},
    units::Volts,
};

/// The obstacle of a refused request. The numbers are those of `binding::frame::cause`, which has more: what JavaScript refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Cause {
    /// The request was not refused.
    #[default]
    None = 0,
    /// The route's breaker.
    Breaker = 1,
    /// The breaker of its key's class.
    Class = 2,
    /// The work in flight on the route.
    Occupancy = 3,
    /// The queue in front of the process.
    QueueAge = 4,
    /// The process's own shortages.
    Process = 5,
    /// Failures and past trauma.
    Scar = 6,
    /// An operator's override.
    Override = 7,
    /// The request waited, and can no longer be answered in time.
    WaitTimeout = 8,
    /// The waiting room is full.
    WaitFull = 9,
}

/// The number of causes.
pub const CAUSES: usize = 10;

/// R of a route that is not known yet, in R_base: up to there it is no scar.
const UNKNOWN_SHARE: f64 = 1.2;

impl Limiter {
    /// The cause of a refusal: an override and the breakers go before all others.
    #[inline(never)]
    pub(super) fn cause(
        &self,
        request: &AcquireRequest,
        state: &RouteState,
        terms: &Terms,
        voltage: Volts,
        by_class: bool,
    ) -> Cause {
        let crowd = terms.occupancy.max(terms.process).max(terms.queue);
        let healthy = (terms.own.total + terms.faults).min(UNKNOWN_SHARE * terms.own.base);
        if request.waited_ms == f64::INFINITY {
            request.given_up
        } else if state.manual == Override::Open {
            Cause::Override
        } else if self.breaker.is_open() {
            Cause::Breaker
        } else if by_class {
            Cause::Class
        } else if voltage > crowd + healthy {
            Cause::Scar
        } else if terms.queue > 0.0 && terms.queue >= crowd {
            Cause::QueueAge
        } else if terms.process > terms.occupancy {
            Cause::Process
        } else {
            Cause::Occupancy
        }
    }
}
