//! The cluster: what other nodes suffered, blended with one's own scar and never obeyed.
//!
//! ```text
//! S_n        what node n says it suffered, decayed since it said so        ω_n = 1 + requests it saw lately
//! Ŝ          the second highest S of all, one's own included
//! S_cluster  = Σ ω_n·min(S_n, Ŝ + S_lone) / Σ ω_n                          S_lone = R_base·breakMultiplier
//! S_agreed   = Σ ω_n·min(S_n, Ŝ) / Σ ω_n
//! S          = γ·S_cluster + (1 − γ)·S_local                               what requests have to overcome
//! S_judged   = γ·S_agreed  + (1 − γ)·S_local                               what the breaker is judged by
//! ```
//!
//! One sick node cannot close a route for all: what it alone says moves no breaker but its own, and adds at most γ·S_lone to
//! R elsewhere. As soon as a second node, or one's own measurements, say the same, it counts in full.
//!
//! In the closed loop, where only outcomes open a breaker, the cluster lightens the burden of proof instead: see
//! [`super::fault`]. A node that starts takes over what the others have stored. Both follow what at least two *other* nodes
//! agree on, Ŝ′, the second highest S of theirs; one's own outcomes are proof already and are not counted twice:
//!
//! ```text
//! c          = γ·min(1, S_agreed′/S_closed), 0 where Ŝ′ < S_closed/4       how firmly the others say that the route fails
//! w          = ⌈γ·(n − 1)⌉                                                 of n others whose breakers are open, those in turn
//! S_inherit  = min(S_mean, γ·S_agreed′ + min(γ, ½)·S_lone)                 what a node that starts takes over
//! ```

use super::{
    law::Law,
    voltage::{R_FREE, R_SPAN},
};
use crate::units::{MAX_RESISTANCE, Ohms};

/// A scar that says: here, next to nothing flows. What an open breaker of the closed loop is worth.
pub const CLOSED: Ohms = R_FREE + R_SPAN;

/// What a node suffers at the least while requests fail in a row, Ω: agreement on less is no word on failures.
const FAILING: Ohms = CLOSED / 4.0;

/// Share of S_lone that is inherited from one voice at the most: a scar taken over is judged as one's own, and must leave room
/// below the break point.
const INHERITED_ALONE: f64 = 0.5;

/// S_lone, Ω: what one node alone says counts no further above what the others do.
#[must_use]
pub fn lone_limit(law: &Law) -> Ohms {
    law.base_resistance * law.break_multiplier
}

/// What several nodes say of one route, as far as the law needs to know it: sums, and who stands out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chorus {
    /// How many nodes speak.
    pub voices: u32,
    /// How many of them say that next to nothing flows.
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

impl Chorus {
    /// One more node speaks: it suffered `scar` Ω and saw `requests` lately. Noise counts as nothing.
    pub fn add(&mut self, scar: Ohms, requests: f64) {
        let scar = if scar > 0.0 { scar.min(MAX_RESISTANCE) } else { 0.0 };
        let weight = 1.0 + if requests > 0.0 { requests.min(1e12) } else { 0.0 };
        self.voices += 1;
        self.witnesses += u32::from(scar >= CLOSED / 2.0);
        self.weight += weight;
        self.weighted_scar += weight * scar;
        if self.voices == 1 || scar > self.top {
            self.second = self.top;
            (self.top, self.top_weight) = (scar, weight);
        } else {
            self.second = self.second.max(scar);
        }
    }

    /// The mean with the highest voice cut down to `bound`.
    #[inline(never)]
    fn mean(&self, bound: Ohms) -> Ohms {
        if self.voices == 0 {
            return 0.0;
        }
        let cut = (self.top - bound).max(0.0) * self.top_weight;
        ((self.weighted_scar - cut) / self.weight).max(0.0)
    }

    /// S_inherit, Ω: what a node that has measured nothing yet takes over. One voice alone gives at most γ·S_lone.
    #[must_use]
    pub fn inheritance(&self, gamma: f64, law: &Law) -> Ohms {
        let gamma = gamma.clamp(0.0, 1.0);
        let bound = gamma * self.mean(self.second) + gamma.min(INHERITED_ALONE) * lone_limit(law);
        self.mean(MAX_RESISTANCE).min(bound)
    }

    /// Whether at least two nodes say that next to nothing flows.
    #[must_use]
    pub fn agrees_closed(&self) -> bool {
        self.voices > 1 && self.second >= CLOSED / 2.0
    }

    /// c, [0, 1].
    fn belief(&self, gamma: f64) -> f64 {
        if self.voices < 2 || self.second < FAILING {
            return 0.0;
        }
        gamma.min(1.0) * (self.mean(self.second) / CLOSED).min(1.0)
    }

    /// w.
    fn witnesses(&self, gamma: f64) -> u32 {
        (gamma.min(1.0) * f64::from(self.witnesses.saturating_sub(1))).ceil() as u32
    }

    /// What the others share with a node whose own scar is `local`.
    #[must_use]
    pub fn share(&self, local: Ohms, gamma: f64, law: &Law) -> Share {
        if self.voices == 0 || gamma <= 0.0 {
            return Share::NONE;
        }
        let second = self.second.max(local.min(self.top));
        let cluster = self.mean(second + lone_limit(law));
        let agreed = self.mean(second);
        Share {
            keep: 1.0 - gamma,
            add: gamma * cluster,
            lone: gamma * (cluster - agreed).max(0.0),
            belief: self.belief(gamma) as f32,
            witnesses: self.witnesses(gamma),
        }
    }
}

/// The others' part in a route's physics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// 1 − γ; 1 where nobody else speaks.
    pub keep: f64,
    /// γ·S_cluster, Ω.
    pub add: Ohms,
    /// The part of it that one node alone speaks for, Ω.
    pub lone: Ohms,
    /// c: how firmly at least two others say that the route fails, [0, γ].
    pub belief: f32,
    /// w: how many others the probes of an open breaker take turns with.
    pub witnesses: u32,
}

impl Share {
    /// Nobody else speaks.
    pub const NONE: Self = Self { keep: 1.0, add: 0.0, lone: 0.0, belief: 0.0, witnesses: 0 };

    /// S of a node whose own scar is `local`, Ω.
    #[inline]
    #[must_use]
    pub fn blend(&self, local: Ohms) -> Ohms {
        self.keep * local + self.add
    }
}
