//! Peers: the scars that other nodes report, blended with this node's own and never obeyed.
//!
//! ```text
//! S_n        the scar that node n reports, decayed since                   ω_n = 1 + its recent requests
//! Š, Ŝ       the second lowest and the second highest S of the peers; of two peers and this node, both are the one in between
//! S_cluster  = Σ ω_n·S_n / Σ ω_n, each within Š − S_lone … Ŝ + S_lone      S_lone = R_base·breakMultiplier
//! S_agreed   = Σ ω_n·S_n / Σ ω_n, each within Š … Ŝ
//! S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
//! S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker depends on
//! ```
//!
//! One failing node cannot close a route for all, and one that claims to be well cannot hide that it fails: what one alone reports
//! opens no breaker but its own, and moves R elsewhere by at most γ·S_lone in either direction. A single peer is bounded by this
//! node's own scar, S_local ± γ·S_lone; two that contradict each other leave S_cluster within S_lone of both. As soon as a second node, or
//! this node's own measurements, agree, it counts in full.
//!
//! In the closed loop, where only outcomes open a breaker, peers lower the number of outcomes that it takes: see
//! [`super::breaker`]. A node that starts inherits what the others have stored. Both follow what at least two *other* nodes
//! agree on; this node's own outcomes are evidence already and are not counted twice:
//!
//! ```text
//! c          = γ·min(1, S_agreed/S_closed), 0 where Ŝ < S_closed/4         how firmly peers agree that the route fails
//! w          = ⌈γ·(n − 1)⌉                                                 of n peers whose breakers are open, those that take turns
//! S_inherit  = S_mean within γ·S_agreed … γ·S_agreed + min(γ, ½)·S_lone    what a node that starts inherits
//! ```

use super::{
    params::RouteParams,
    voltage::{R_FREE, R_SPAN},
};
use crate::units::{MAX_RESISTANCE, Ohms};

/// The scar of an open breaker of the closed loop, Ω: next to nothing flows.
pub const CLOSED: Ohms = R_FREE + R_SPAN;

/// The least scar of a node whose requests fail consecutively, Ω: agreement on less is no evidence of failures.
const FAILING: Ohms = CLOSED / 4.0;

/// The largest share of S_lone that is inherited from one node: an inherited scar counts as measured, and must leave room below
/// the break point.
const INHERITED_ALONE: f64 = 0.5;

/// S_lone, Ω: what one node alone reports counts no further from what the others do.
///
/// ```
/// use atrion::physics::{params::RouteParams, peers::lone_limit};
///
/// assert_eq!(lone_limit(&RouteParams::default()), 100.0);
/// ```
#[must_use]
pub fn lone_limit(params: &RouteParams) -> Ohms {
    params.base_resistance * params.break_multiplier
}

/// S_inherit of what one node alone stored, Ω: at most min(γ, ½)·S_lone.
///
/// ```
/// use atrion::physics::{params::RouteParams, peers::inherited_alone};
///
/// let params = RouteParams::default();
/// assert_eq!((inherited_alone(12.0, 0.3, &params), inherited_alone(1e6, 0.3, &params)), (12.0, 30.0));
/// ```
#[must_use]
pub fn inherited_alone(scar: Ohms, gamma: f64, params: &RouteParams) -> Ohms {
    scar.max(0.0).min(gamma.min(INHERITED_ALONE) * lone_limit(params))
}

/// The reports of several nodes on one route, summed up, with the highest of them.
///
/// ```
/// use atrion::physics::{params::RouteParams, peers::PeerAggregate};
///
/// let mut aggregate = PeerAggregate::default();
/// aggregate.add(80.0, 10.0);
/// aggregate.add(80.0, 10.0);
/// let blend = aggregate.blend(0.0, 0.3, &RouteParams::default());
/// assert_eq!(blend.blend(0.0), 24.0, "γ·80 Ω, since two nodes agree");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PeerAggregate {
    /// The number of nodes that report.
    pub peers: u32,
    /// The number of those that report that next to nothing flows.
    pub witnesses: u32,
    /// Σ ω_n.
    pub weight: f64,
    /// Σ ω_n·S_n, Ω.
    pub weighted_scar: f64,
    /// The highest S, Ω.
    pub top: Ohms,
    /// ω of the highest report.
    pub top_weight: f64,
    /// The second highest, Ω.
    pub second: Ohms,
    /// The lowest S, Ω.
    pub bottom: Ohms,
    /// ω of the lowest report.
    pub bottom_weight: f64,
    /// The second lowest, Ω; 0 of a single one.
    pub second_lowest: Ohms,
}

impl PeerAggregate {
    /// Adds a node's report of `scar` Ω and `requests` recent requests. What is no positive number counts as 0.
    pub fn add(&mut self, scar: Ohms, requests: f64) {
        let scar = if scar > 0.0 { scar.min(MAX_RESISTANCE) } else { 0.0 };
        let weight = 1.0 + if requests > 0.0 { requests.min(1e12) } else { 0.0 };
        self.peers += 1;
        self.witnesses += u32::from(scar >= CLOSED / 2.0);
        self.weight += weight;
        self.weighted_scar += weight * scar;
        if self.peers == 1 || scar > self.top {
            self.second = self.top;
            (self.top, self.top_weight) = (scar, weight);
        } else {
            self.second = self.second.max(scar);
        }
        if self.peers == 1 || scar < self.bottom {
            self.second_lowest = self.bottom;
            (self.bottom, self.bottom_weight) = (scar, weight);
        } else if self.peers == 2 || scar < self.second_lowest {
            self.second_lowest = scar;
        }
    }

    /// The mean with the highest scar cut down to `high` and the lowest raised to `low`; the others are in between.
    #[inline(never)]
    fn mean(&self, low: Ohms, high: Ohms) -> Ohms {
        if self.peers == 0 {
            return 0.0;
        }
        let cut = (self.top - high).max(0.0) * self.top_weight;
        let raised = (low - self.bottom).max(0.0) * self.bottom_weight;
        ((self.weighted_scar - cut + raised) / self.weight).max(0.0)
    }

    /// S_agreed of the peers alone, Ω; of a single one 0.
    fn agreed(&self) -> Ohms {
        if self.peers < 2 {
            return 0.0;
        }
        self.mean(self.second_lowest.min(self.second), self.second)
    }

    /// S_inherit, Ω: the scar that a node without measurements inherits. One node alone moves it by at most γ·S_lone.
    #[must_use]
    pub fn inheritance(&self, gamma: f64, params: &RouteParams) -> Ohms {
        let gamma = gamma.clamp(0.0, 1.0);
        let agreed = gamma * self.agreed();
        let alone = gamma.min(INHERITED_ALONE) * lone_limit(params);
        self.mean(0.0, MAX_RESISTANCE).min(agreed + alone).max(agreed)
    }

    /// Returns whether at least two nodes report that next to nothing flows.
    #[must_use]
    pub fn agrees_closed(&self) -> bool {
        self.peers > 1 && self.second >= CLOSED / 2.0
    }

    /// c, [0, 1].
    fn belief(&self, gamma: f64) -> f64 {
        if self.second < FAILING {
            return 0.0;
        }
        gamma.min(1.0) * (self.agreed() / CLOSED).min(1.0)
    }

    /// w.
    fn witnesses(&self, gamma: f64) -> u32 {
        (gamma.min(1.0) * f64::from(self.witnesses.saturating_sub(1))).ceil() as u32
    }

    /// The blend for a node whose own scar is `local`, Ω, with weight `gamma`.
    #[must_use]
    pub fn blend(&self, local: Ohms, gamma: f64, params: &RouteParams) -> Blend {
        if self.peers == 0 || gamma <= 0.0 {
            return Blend::NONE;
        }
        let lone = lone_limit(params);
        let between = local.min(self.top).max(self.bottom);
        let (low, high) = match self.peers {
            1 => (0.0, local.min(self.top).max(0.0)),
            2 => (between, between),
            _ => (self.second_lowest, self.second),
        };
        let mut cluster = self.mean(low - lone, high + lone);
        if self.peers == 2 {
            let (bottom, top) = (self.bottom.max(low - lone), self.top.min(high + lone));
            cluster = cluster.max(top - lone).min(bottom + lone);
        }
        let agreed = self.mean(low, high);
        Blend {
            keep: 1.0 - gamma,
            add: gamma * cluster,
            bound: if self.peers == 1 { gamma * lone } else { Ohms::INFINITY },
            lone: gamma * (cluster - agreed).max(0.0),
            belief: self.belief(gamma) as f32,
            witnesses: self.witnesses(gamma),
        }
    }
}

/// The part of peers in a route's scar.
///
/// ```
/// use atrion::physics::peers::Blend;
///
/// assert_eq!(Blend::NONE.blend(12.5), 12.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// 1 − γ; 1 without peers.
    pub keep: f64,
    /// γ·S_cluster, Ω.
    pub add: Ohms,
    /// The most by which peers move S, Ω: γ·S_lone of a single one, otherwise infinite.
    pub bound: Ohms,
    /// The part of `add` that one node alone reports, Ω.
    pub lone: Ohms,
    /// c: how firmly at least two peers agree that the route fails, [0, γ].
    pub belief: f32,
    /// w: the number of peers that the probes of an open breaker take turns with.
    pub witnesses: u32,
}

image! { Blend { keep, add, bound, lone, belief, witnesses } }

impl Blend {
    /// The blend without peers.
    pub const NONE: Self = Self { keep: 1.0, add: 0.0, bound: Ohms::INFINITY, lone: 0.0, belief: 0.0, witnesses: 0 };

    /// S of a node whose own scar is `local`, Ω.
    #[inline]
    #[must_use]
    pub fn blend(&self, local: Ohms) -> Ohms {
        (self.keep * local + self.add).max(local - self.bound).min(local + self.bound)
    }
}
