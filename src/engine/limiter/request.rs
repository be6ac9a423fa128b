//! A request for a permit, its result, and its outcome.

use super::cause::Cause;
use crate::{
    engine::ids::PermitId,
    physics::{fairness, resistance::Parts, tick::Tick, voltage::Tier},
    units::{Millis, Ohms, Volts},
};

/// The priority of a request: a tier or a voltage.
///
/// ```
/// use atrion::{
///     engine::{AcquireRequest, Priority},
///     physics::voltage::Tier,
/// };
///
/// let request = AcquireRequest { priority: Priority::Tier(Tier::High, None), ..AcquireRequest::default() };
/// assert!(matches!(request.priority, Priority::Tier(Tier::High, None)));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Priority {
    /// A tier, and the level in its band, [0, 1). None: the key's level, or a random one.
    Tier(Tier, Option<f64>),
    /// A voltage, V.
    Voltage(Volts),
}

/// The key of a request, as a keyed hash.
///
/// ```
/// use atrion::engine::{AcquireRequest, Handle, Key, Limits};
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// let key = Key { hash: 0x5eed, weight: 1.0, class: None, lane: 0 };
/// let request = AcquireRequest { key: Some(key), ..AcquireRequest::default() };
/// let mut permit = None;
/// handle.acquire(slot, request, 0.0, 0.0, |result, _, _| permit = result.permit);
/// assert!(permit.is_some());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The hash, below 2⁵³.
    pub hash: u64,
    /// The weight of its fair share, > 0.
    pub weight: f64,
    /// The hash of the class that its failures are attributed to.
    pub class: Option<u64>,
    /// The lane whose reserve it shares, 1 to 3; 0, and any other number: none.
    pub lane: u8,
}

/// A request for a permit.
///
/// ```
/// use atrion::engine::AcquireRequest;
///
/// let request = AcquireRequest { process_occupancy: 0.9, ..AcquireRequest::default() };
/// assert!(request.waited_ms < 0.0, "it cannot wait, unless it is given a time");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AcquireRequest {
    /// The request's priority.
    pub priority: Priority,
    /// The request's key.
    pub key: Option<Key>,
    /// Occupancy of the process, [0, ∞): the largest of its queue, memory and other shortages; 1 is full.
    pub process_occupancy: f64,
    /// The request's place on the bands of the tiers by its age in the queue in front of the process; 0: none.
    pub queue_place: f64,
    /// The time that the request has waited for a place, ms. Negative: it cannot wait. Infinite: it no longer waits.
    pub waited_ms: Millis,
    /// The cause of its refusal where it no longer waits.
    pub given_up: Cause,
}

impl AcquireRequest {
    /// A request without options.
    pub(crate) const BARE: Self = Self {
        priority: Priority::Tier(Tier::Normal, None),
        key: None,
        process_occupancy: 0.0,
        queue_place: 0.0,
        waited_ms: -1.0,
        given_up: Cause::WaitTimeout,
    };
}

impl Default for AcquireRequest {
    fn default() -> Self {
        Self::BARE
    }
}

/// The terms of R: the route's own R, its faults, and the largest of the other three.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The parts of the route's own R.
    pub own: Parts,
    /// The part of its failures, and of those of the key's class, Ω.
    pub faults: Ohms,
    /// The part of the work in flight, Ω; 0 where it could wait, or a place is reserved for it.
    pub occupancy: Ohms,
    /// The part of the queue in front of the process, Ω.
    pub queue: Ohms,
    /// The part of the process's own shortages, Ω.
    pub process: Ohms,
}

/// The outcome of a request.
///
/// ```
/// use atrion::engine::{AcquireRequest, Handle, Limits, Outcome};
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// let mut permit = None;
/// handle.acquire(slot, AcquireRequest::default(), 0.0, 0.0, |result, _, _| permit = result.permit);
/// let permit = permit.expect("an idle route admits");
/// assert!(handle.release(permit, Outcome::Failure, 5.0, |_, _, _, _| {}).is_some());
/// assert!(handle.release(permit, Outcome::Success, 6.0, |_, _, _, _| {}).is_none(), "a permit is released once");
/// assert_eq!(handle.stats(slot).map(|stats| stats.counts.failures), Some(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The request succeeded.
    Success,
    /// The request failed, and the route is the cause.
    Failure,
    /// The request is not evidence about the route: the client disconnected.
    Ignored,
    /// The permit was never released and was reclaimed.
    Reclaimed,
    /// The request continues outside the budget of requests and is concluded later.
    Detached,
}

/// The terms of waiting, for a request that would be admitted if there were a place.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// The time from now that it may wait and still make its deadline, ms; 0 or less: none.
    pub may_wait_ms: Millis,
    /// μ, completions a ms; 0 while unknown.
    pub rate_per_ms: f64,
}

/// The result of a request for a permit.
///
/// ```
/// use atrion::engine::{AcquireRequest, Handle, Limits};
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// let full = AcquireRequest { process_occupancy: 2.0, ..AcquireRequest::default() };
/// let mut result = None;
/// handle.acquire(slot, full, 0.0, 0.0, |given, _, _| result = Some(*given));
/// let result = result.expect("the route is there");
/// assert!(result.permit.is_none() && result.wait.is_none());
/// assert!(result.resistance >= result.voltage && result.retry_after_ms > 0.0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AcquireResult {
    /// The permit; None: refused, or to wait.
    pub permit: Option<PermitId>,
    /// R at the time of the decision, Ω.
    pub resistance: Ohms,
    /// V used for the decision.
    pub voltage: Volts,
    /// The delay after which a refused request should be retried, ms; 0 when it was not refused.
    pub retry_after_ms: Millis,
    /// The tier given, or the tier of the voltage.
    pub tier: Tier,
    /// The terms of R.
    pub terms: Terms,
    /// Set when the request was neither admitted nor refused and may wait for a place.
    pub wait: Option<Wait>,
    /// The obstacle of a refused request.
    pub cause: Cause,
    /// The tick that was due, if one was.
    pub tick: Option<Tick>,
}

/// Tier, voltage and level of a request with a key: one whose key holds more than its share ranks last in its tier.
#[inline(never)]
pub(super) fn rank(priority: Priority, key: &Key, is_over: bool, base: Ohms, now_ms: Millis) -> (Tier, Volts, f64) {
    let level = if is_over { 0.0 } else { fairness::level(key.hash, now_ms) };
    match priority {
        Priority::Tier(tier, _) => (tier, tier.voltage(level, base), level),
        Priority::Voltage(voltage) => {
            let tier = Tier::of_voltage(voltage, base);
            let last = if is_over { tier.voltage(0.0, base) } else { voltage };
            (tier, voltage.min(last), level)
        }
    }
}
