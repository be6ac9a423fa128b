//! Peers: the scars that other nodes report, blended with this node's own and never obeyed.
//!
//! ```text
//! S_n        the scar that node n reports, decayed since                   ω_n = 1 + its recent requests
//! Ŝ          the second highest S of all, this node's included
//! S_cluster  = Σ ω_n·min(S_n, Ŝ + S_lone) / Σ ω_n                          S_lone = R_base·breakMultiplier
//! S_agreed   = Σ ω_n·min(S_n, Ŝ) / Σ ω_n
//! S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
//! S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker depends on
//! ```
//!
//! One failing node cannot close a route for all: what it alone reports moves no breaker but its own, and adds at most γ·S_lone
//! to R elsewhere. As soon as a second node, or this node's own measurements, agree, it counts in full.
//!
//! In the closed loop, where only outcomes open a breaker, peers lower the number of outcomes that it takes: see
//! [`super::breaker`]. A node that starts inherits what the others have stored. Both follow what at least two *other* nodes
//! agree on, Ŝ′, the second highest S of theirs; this node's own outcomes are evidence already and are not counted twice:
//!
//! ```text
//! c          = γ·min(1, S_agreed′/S_closed), 0 where Ŝ′ < S_closed/4       how firmly peers agree that the route fails
//! w          = ⌈γ·(n − 1)⌉                                                 of n peers whose breakers are open, those that take turns
//! S_inherit  = min(S_mean, γ·S_agreed′ + min(γ, ½)·S_lone)                 what a node that starts inherits
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

/// S_lone, Ω: what one node alone reports counts no further above what the others do.
#[must_use]
pub fn lone_limit(params: &RouteParams) -> Ohms {
    params.base_resistance * params.break_multiplier
}

/// The reports of several nodes on one route, summed up, with the highest of them.
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
    /// Its ω.
    pub top_weight: f64,
    /// The second highest, Ω.
    pub second: Ohms,
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
    }

    /// The mean with the highest scar cut down to `bound`.
    #[inline(never)]
    fn mean(&self, bound: Ohms) -> Ohms {
        if self.peers == 0 {
            return 0.0;
        }
        let cut = (self.top - bound).max(0.0) * self.top_weight;
        ((self.weighted_scar - cut) / self.weight).max(0.0)
    }

    /// S_inherit, Ω: the scar that a node without measurements inherits. One node alone adds at most γ·S_lone.
    #[must_use]
    pub fn inheritance(&self, gamma: f64, params: &RouteParams) -> Ohms {
        let gamma = gamma.clamp(0.0, 1.0);
        let bound = gamma * self.mean(self.second) + gamma.min(INHERITED_ALONE) * lone_limit(params);
        self.mean(MAX_RESISTANCE).min(bound)
    }

    /// Whether at least two nodes report that next to nothing flows.
    #[must_use]
    pub fn agrees_closed(&self) -> bool {
        self.peers > 1 && self.second >= CLOSED / 2.0
    }

    /// c, [0, 1].
    fn belief(&self, gamma: f64) -> f64 {
        if self.peers < 2 || self.second < FAILING {
            return 0.0;
        }
        gamma.min(1.0) * (self.mean(self.second) / CLOSED).min(1.0)
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
        let second = self.second.max(local.min(self.top));
        let cluster = self.mean(second + lone_limit(params));
        let agreed = self.mean(second);
        Blend {
            keep: 1.0 - gamma,
            add: gamma * cluster,
            lone: gamma * (cluster - agreed).max(0.0),
            belief: self.belief(gamma) as f32,
            witnesses: self.witnesses(gamma),
        }
    }
}

/// The part of peers in a route's scar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// 1 − γ; 1 without peers.
    pub keep: f64,
    /// γ·S_cluster, Ω.
    pub add: Ohms,
    /// The part of it that one node alone reports, Ω.
    pub lone: Ohms,
    /// c: how firmly at least two peers agree that the route fails, [0, γ].
    pub belief: f32,
    /// w: the number of peers that the probes of an open breaker take turns with.
    pub witnesses: u32,
}

impl Blend {
    /// The blend without peers.
    pub const NONE: Self = Self { keep: 1.0, add: 0.0, lone: 0.0, belief: 0.0, witnesses: 0 };

    /// S of a node whose own scar is `local`, Ω.
    #[inline]
    #[must_use]
    pub fn blend(&self, local: Ohms) -> Ohms {
        self.keep * local + self.add
    }
}
