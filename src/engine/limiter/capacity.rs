//! The capacity: a limit and the work in flight that counts against it, of one route or of all routes of a pool.

use super::request::Wait;
use crate::{
    engine::permits::Mark,
    physics::{
        limit::Limit,
        params::{LANES, RESERVES, RouteParams},
        voltage::{Thresholds, Tier},
    },
    units::Millis,
};

/// The work in flight that counts against a limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Requests that can have a reserve, in the order of [`RouteParams::reserve`]: by tier, and those of lanes by lane.
    pub held: [u32; RESERVES],
    /// Requests in all.
    pub in_flight: u32,
    /// Leases.
    pub leases: u32,
}

image! { Load { held, in_flight, leases } }

impl Load {
    /// Requests and leases.
    #[inline]
    pub fn under_way(&self) -> f64 {
        f64::from(self.in_flight + self.leases)
    }

    /// Counts a request in.
    #[inline]
    pub fn enter(&mut self, mark: Mark) {
        self.count(mark, 1);
    }

    /// Removes a request that has ended from the count.
    #[inline]
    pub fn leave(&mut self, mark: Mark) {
        debug_assert!(self.in_flight > 0 && self.held[mark.tier()] > 0, "more left than entered");
        debug_assert!(mark.lane().is_none_or(|lane| self.held[lane] > 0), "more left a lane than entered");
        self.count(mark, 1_u32.wrapping_neg());
    }

    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn count(&mut self, mark: Mark, by: u32) {
        let add = |count: &mut u32| *count = count.wrapping_add(by);
        add(&mut self.in_flight);
        add(&mut self.held[mark.tier()]);
        if let Some(lane) = mark.lane() {
            add(&mut self.held[lane]);
        }
    }

    /// The requests of each lane.
    pub fn by_lane(&self) -> [u32; LANES] {
        let [.., a, b, c] = self.held;
        [a, b, c]
    }

    /// Counts a lease in, or out.
    pub fn lease(&mut self, taken: bool) {
        self.leases = if taken { self.leases + 1 } else { self.leases.saturating_sub(1) };
    }
}

/// A limit and the work that counts against it. Laid out as written: what every request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Capacity {
    /// The work that counts against it.
    pub load: Load,
    /// True when several routes share it, whose services may differ by orders of magnitude.
    is_shared: bool,
    /// Admissions that the tiers and the lanes were owed and did not take.
    owed: [f64; RESERVES],
    /// The limit.
    pub limit: Limit,
}

image! { Capacity { load, is_shared, owed, limit } }

impl Capacity {
    /// A capacity without measurements.
    pub fn new(params: &RouteParams, is_shared: bool, now_ms: Millis) -> Self {
        Self { limit: Limit::new(&params.limit, now_ms), load: Load::default(), is_shared, owed: [0.0; RESERVES] }
    }

    /// Adds the work in flight of a route that joins.
    pub fn join(&mut self, load: &Load, now_ms: Millis) {
        self.limit.pass(self.load.under_way(), now_ms);
        if self.load.under_way() == 0.0 && load.under_way() > 0.0 {
            self.limit.admit(1.0, now_ms);
        }
        self.load.in_flight += load.in_flight;
        self.load.leases += load.leases;
        for (sum, part) in self.load.held.iter_mut().zip(load.held) {
            *sum += part;
        }
    }

    /// Removes the work in flight of a route that leaves.
    pub fn part(&mut self, load: &Load, now_ms: Millis) {
        self.limit.pass(self.load.under_way(), now_ms);
        self.load.in_flight -= load.in_flight;
        self.load.leases -= load.leases;
        for (sum, part) in self.load.held.iter_mut().zip(load.held) {
            *sum -= part;
        }
    }

    /// The terms for a request that has waited for `waited_ms`; None when there is a place for it now. What keeps every server
    /// busy is known from the shortest services; where several routes share the limit, there is a place until shedding starts.
    pub fn wait(&self, tier: Tier, waited_ms: Millis, thresholds: &Thresholds, params: &RouteParams) -> Option<Wait> {
        let n = self.load.under_way();
        let top = tier == Tier::Critical;
        let places = self.limit.places(n, waited_ms, top, &params.limit);
        if n < if self.is_shared { places.max(thresholds.start) } else { places } {
            return None;
        }
        let may_wait_ms = self.limit.may_wait_ms(top, &params.limit) - waited_ms;
        Some(Wait { may_wait_ms, rate_per_ms: self.limit.rate() })
    }

    /// Returns whether occupancy resists nothing, wherever shedding starts: nothing is in flight, and no place is reserved. The bands
    /// need not be worked out then. In wasm code is dearer than that.
    #[inline]
    pub fn is_idle(&self, params: &RouteParams) -> bool {
        cfg!(not(target_family = "wasm"))
            && self.load.under_way() == 0.0
            && !params.reserves()
            && params.limit.max > 0.0
    }

    /// Counts an admitted request, and what its admission owes the tiers and the lanes.
    #[inline]
    pub fn admit(&mut self, mark: Mark, params: &RouteParams) {
        self.load.enter(mark);
        if params.reserves() {
            self.owe(mark, params);
        }
    }

    /// Credits each tier and lane its share of an admission, at most its share of what is in flight.
    #[inline(never)]
    fn owe(&mut self, mark: Mark, params: &RouteParams) {
        for (at, owed) in self.owed.iter_mut().enumerate() {
            let taken = f64::from(mark.groups >> at & 1);
            let share = f64::from(params.reserve[at]);
            let most = (share * self.load.under_way()).max(1.0);
            *owed = (*owed + share - taken).clamp(0.0, most);
        }
    }

    /// Returns whether the tier or the lane, of those that the mark is of, holds less than its reserve of what is in flight, or of a
    /// limit of `full`, or is owed an admission.
    pub fn has_reserve(&self, mark: Mark, params: &RouteParams, full: f64) -> bool {
        let most = full.max(self.load.under_way());
        (0..RESERVES).any(|at| {
            let share = f64::from(params.reserve[at]);
            mark.groups >> at & 1 == 1
                && share > 0.0
                && (f64::from(self.load.held[at]) < share * most || self.owed[at] >= 1.0)
        })
    }
}
