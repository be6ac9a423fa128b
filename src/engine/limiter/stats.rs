//! The statistics of a route's closed loop, and the scar that it reports to peers.

use super::{CAUSES, Limiter, capacity::Capacity};
use crate::{
    physics::{
        durations::Durations,
        limit::Regime,
        params::{LANES, RouteParams},
        peers::Blend,
        tick::RouteState,
        voltage::{TIERS, Thresholds},
    },
    units::{MAX_RESISTANCE, Millis, Ohms},
};

/// Totals since the route was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Requests admitted, by tier.
    pub admitted_by_tier: [u64; TIERS],
    /// Requests shed, by tier.
    pub shed_by_tier: [u64; TIERS],
    /// Requests that failed.
    pub failures: u64,
    /// Permits that were reclaimed because they were never released.
    pub reclaimed: u64,
    /// Completed requests by their durations.
    pub durations: Durations,
}

image! { Counts { admitted_by_tier, shed_by_tier, failures, reclaimed, durations } }

/// Requests shed, by tier and [`super::Cause`].
pub type Sheds = [[u64; CAUSES]; TIERS];

impl Counts {
    /// Requests admitted.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.admitted_by_tier.iter().sum()
    }
}

/// The statistics of a route's closed loop.
///
/// ```
/// use atrion::engine::{AcquireRequest, Handle, Limits};
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let slot = handle.intern("GET /orders".into(), 0.0);
/// assert!(handle.stats(slot).is_none(), "no permit was requested yet");
/// handle.acquire(slot, AcquireRequest::default(), 0.0, 0.0, |_, _, _| {});
/// let stats = handle.stats(slot).expect("the route has a closed loop");
/// assert_eq!((stats.in_flight, stats.counts.admitted(), stats.p50_ms), (1, 1, None));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Requests admitted and not yet released, leases included.
    pub in_flight: u32,
    /// Requests in flight of each lane that count against its reserve: those of all routes of the pool, where it is in one.
    pub in_flight_by_lane: [u32; LANES],
    /// Classes of keys whose breaker is open.
    pub open_classes: u32,
    /// L, requests in flight.
    pub limit: f64,
    /// R for a request that arrived now, Ω.
    pub resistance: Ohms,
    /// The part of R that failures and traumas add, Ω.
    pub scar: Ohms,
    /// Totals.
    pub counts: Counts,
    /// Median latency, ms.
    pub p50_ms: Option<Millis>,
    /// 99th percentile, ms.
    pub p99_ms: Option<Millis>,
    /// b, ms.
    pub baseline_ms: Millis,
    /// μ, completions a second.
    pub rate_per_s: f64,
    /// a.
    pub success: f64,
    /// The regime of the limit.
    pub regime: Regime,
}

impl Limiter {
    /// R for a request that meets `load`, in requests, Ω.
    fn resistance(&self, state: &RouteState, thresholds: &Thresholds, load: f64) -> Ohms {
        let total = state.resistance + self.breaker.resistance() + thresholds.resistance(load);
        total.min(MAX_RESISTANCE)
    }

    /// The scar that this node reports to its peers, Ω: what its own measurements say, its breaker included.
    pub fn reported_scar(&self, state: &RouteState) -> Ohms {
        state.scar + self.breaker.reported_scar()
    }

    /// Requests so far, admitted and refused.
    #[cfg(not(target_family = "wasm"))]
    pub fn requests(&self) -> u64 {
        self.counts.admitted() + self.counts.shed_by_tier.iter().sum::<u64>()
    }

    /// Requests shed, by tier and cause; None before the first.
    pub fn sheds(&self) -> Option<&Sheds> {
        self.sheds.as_deref()
    }

    /// The statistics of the route.
    pub fn stats(&self, state: &RouteState, peers: Option<&Blend>, capacity: &Capacity, params: &RouteParams) -> Stats {
        let n = capacity.load.under_way();
        let thresholds = capacity.limit.thresholds(n, &params.limit);
        // The load that the next request meets.
        let next = if n > 0.0 { capacity.limit.load(n, self.completed_ms) + 0.5 } else { 0.0 };
        let quantiles = self.latency.quantiles([0.5, 0.99]);
        Stats {
            in_flight: self.load.in_flight + self.load.leases,
            in_flight_by_lane: capacity.load.by_lane(),
            open_classes: self.classes.as_ref().map_or(0, |classes| classes.open() as u32),
            limit: thresholds.full,
            resistance: self.resistance(state, &thresholds, next),
            scar: state.blended_scar(peers) + self.breaker.resistance(),
            counts: self.counts,
            p50_ms: quantiles.map(|[p50, _]| p50),
            p99_ms: quantiles.map(|[_, p99]| p99),
            baseline_ms: capacity.limit.baseline_ms(),
            rate_per_s: capacity.limit.rate() * 1e3,
            success: self.breaker.success(),
            regime: capacity.limit.regime(),
        }
    }
}
