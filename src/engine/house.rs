//! A house: a limit and what counts against it, of one route or of all routes of a pool.

use super::{guard::Wait, permits::Mark};
use crate::{
    physics::{
        law::Law,
        limit::Limit,
        voltage::{TIERS, Thresholds, Tier},
    },
    units::Millis,
};

/// Work that counts against a limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Requests, by tier.
    pub by_tier: [u32; TIERS],
    /// Requests in all.
    pub in_flight: u32,
    /// Leases.
    pub leases: u32,
}

impl Load {
    /// Requests and leases.
    #[inline]
    pub fn under_way(&self) -> f64 {
        f64::from(self.in_flight + self.leases)
    }

    /// A request comes.
    #[inline]
    pub fn enter(&mut self, mark: Mark) {
        self.in_flight += 1;
        self.by_tier[usize::from(mark.tier)] += 1;
    }

    /// A request goes.
    #[inline]
    pub fn leave(&mut self, mark: Mark) {
        self.in_flight -= 1;
        self.by_tier[usize::from(mark.tier)] -= 1;
    }

    /// A lease takes its place, or gives it back.
    pub fn lease(&mut self, taken: bool) {
        self.leases = if taken { self.leases + 1 } else { self.leases.saturating_sub(1) };
    }
}

/// See the module. Laid out as written: what every request reads comes first.
#[derive(Debug)]
#[repr(C)]
pub struct House {
    /// What counts against it.
    pub load: Load,
    /// Several routes share it, whose services may differ by orders of magnitude.
    is_shared: bool,
    /// Admissions that the tiers were owed and did not take.
    owed: [f64; TIERS],
    /// The limit.
    pub limit: Limit,
}

impl House {
    /// A house where nothing was measured yet.
    pub fn new(law: &Law, is_shared: bool, now_ms: Millis) -> Self {
        Self { limit: Limit::new(&law.limit, now_ms), load: Load::default(), is_shared, owed: [0.0; TIERS] }
    }

    /// A route comes with what it has under way.
    pub fn join(&mut self, load: &Load, now_ms: Millis) {
        self.limit.pass(self.load.under_way(), now_ms);
        if self.load.under_way() == 0.0 && load.under_way() > 0.0 {
            self.limit.admit(1.0, now_ms);
        }
        self.load.in_flight += load.in_flight;
        self.load.leases += load.leases;
        for (sum, part) in self.load.by_tier.iter_mut().zip(load.by_tier) {
            *sum += part;
        }
    }

    /// A route goes with what it has under way.
    pub fn part(&mut self, load: &Load, now_ms: Millis) {
        self.limit.pass(self.load.under_way(), now_ms);
        self.load.in_flight -= load.in_flight;
        self.load.leases -= load.leases;
        for (sum, part) in self.load.by_tier.iter_mut().zip(load.by_tier) {
            *sum -= part;
        }
    }

    /// How long a request that has waited for `waited_ms` may still wait; None when there is a place for it now. What keeps
    /// every server busy is known from the shortest services; where others share the house, there is a place until shedding starts.
    pub fn wait(&self, waited_ms: Millis, thresholds: &Thresholds, law: &Law) -> Option<Wait> {
        let n = self.load.under_way();
        let places = self.limit.places(n, &law.limit);
        if n < if self.is_shared { places.max(thresholds.start) } else { places } {
            return None;
        }
        let may_wait_ms = self.limit.may_wait_ms(&law.limit) - waited_ms;
        Some(Wait { may_wait_ms, rate_per_ms: self.limit.rate() })
    }

    /// A request comes.
    #[inline]
    pub fn admit(&mut self, mark: Mark, law: &Law) {
        self.load.enter(mark);
        if law.reserves() {
            self.owe(mark, law);
        }
    }

    /// Of every admission each tier is owed its share; at most as much as its share of what is in flight.
    #[inline(never)]
    fn owe(&mut self, mark: Mark, law: &Law) {
        for (tier, owed) in self.owed.iter_mut().enumerate() {
            let taken = if tier == usize::from(mark.tier) { 1.0 } else { 0.0 };
            let share = f64::from(law.reserve[tier]);
            let most = (share * self.load.under_way()).max(1.0);
            *owed = (*owed + share - taken).clamp(0.0, most);
        }
    }

    /// Does the tier hold less than is reserved for it of what is in flight, or of a limit of `full`, or is it owed an admission?
    pub fn has_reserve(&self, tier: Tier, law: &Law, full: f64) -> bool {
        let share = f64::from(law.reserve[tier as usize]);
        let reserved = share * full.max(self.load.under_way());
        share > 0.0 && (f64::from(self.load.by_tier[tier as usize]) < reserved || self.owed[tier as usize] >= 1.0)
    }
}
