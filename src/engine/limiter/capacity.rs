//! The capacity: a limit and the work in flight that counts against it, of one route or of all routes of a pool.

use super::request::Wait;
use crate::{
    engine::permits::Mark,
    physics::{
        limit::Limit,
        params::{LANES, RESERVES, RouteParams},
        voltage::{TIERS, Thresholds, Tier},
    },
    units::Millis,
};

/// The work in flight that counts against a limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Requests, by tier.
    pub by_tier: [u32; TIERS],
    /// Those of lanes, by lane.
    pub by_lane: [u32; LANES],
    /// Requests in all.
    pub in_flight: u32,
    /// Leases.
    pub leases: u32,
}

image! { Load { by_tier, by_lane, in_flight, leases } }

impl Load {
    /// Requests and leases.
    #[inline]
    pub fn under_way(&self) -> f64 {
        f64::from(self.in_flight + self.leases)
    }

    /// Counts a request in.
    #[inline]
    pub fn enter(&mut self, mark: Mark) {
        self.in_flight += 1;
        match self.by_tier.get_mut(usize::from(mark.place)) {
            Some(count) => *count += 1,
            None => self.of_lane(mark, 1),
        }
    }

    /// Removes a request that has ended from the count.
    #[inline]
    pub fn leave(&mut self, mark: Mark) {
        self.in_flight -= 1;
        match self.by_tier.get_mut(usize::from(mark.place)) {
            Some(count) => *count -= 1,
            None => self.of_lane(mark, -1),
        }
    }

    /// Counts a request of a lane in, or out. Apart: a mark without a lane is found by the check of the index that it is.
    #[cold]
    #[inline(never)]
    fn of_lane(&mut self, mark: Mark, change: i32) {
        let tier = &mut self.by_tier[mark.tier()];
        *tier = tier.wrapping_add_signed(change);
        if let Some(lane) = self.by_lane.get_mut(mark.lane() - 1) {
            *lane = lane.wrapping_add_signed(change);
        }
    }

    /// The counts that can have a reserve, in the order of [`RouteParams::reserve`], with those of another.
    fn with<'a>(&'a mut self, other: &'a Self) -> impl Iterator<Item = (&'a mut u32, &'a u32)> {
        self.by_tier.iter_mut().chain(&mut self.by_lane).zip(other.by_tier.iter().chain(&other.by_lane))
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
        for (sum, part) in self.load.with(load) {
            *sum += part;
        }
    }

    /// Removes the work in flight of a route that leaves.
    pub fn part(&mut self, load: &Load, now_ms: Millis) {
        self.limit.pass(self.load.under_way(), now_ms);
        self.load.in_flight -= load.in_flight;
        self.load.leases -= load.leases;
        for (sum, part) in self.load.with(load) {
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
        let (tier, lane) = (mark.tier(), mark.lane());
        for (at, owed) in self.owed.iter_mut().enumerate() {
            let is_taken = if at < TIERS { at == tier } else { at - TIERS + 1 == lane };
            let taken = if is_taken { 1.0 } else { 0.0 };
            let share = f64::from(params.reserve[at]);
            let most = (share * self.load.under_way()).max(1.0);
            *owed = (*owed + share - taken).clamp(0.0, most);
        }
    }

    /// Returns whether the tier, or the lane (1 to `LANES`; 0: none), holds less than its reserve of what is in flight, or of a limit of
    /// `full`, or is owed an admission.
    pub fn has_reserve(&self, tier: Tier, lane: u8, params: &RouteParams, full: f64) -> bool {
        let (tier, lane) = (tier as usize, usize::from(lane));
        let most = full.max(self.load.under_way());
        let has = |at: usize, held: u32| {
            let share = f64::from(params.reserve[at]);
            share > 0.0 && (f64::from(held) < share * most || self.owed[at] >= 1.0)
        };
        has(tier, self.load.by_tier[tier]) || lane > 0 && has(TIERS + lane - 1, self.load.by_lane[lane - 1])
    }
}
