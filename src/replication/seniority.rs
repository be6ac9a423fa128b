//! Seniority: how much nodes count that are known for less long than others, where no secret proves their ids.
//!
//! A new id may be one of many that an attacker invents, so those that came later count as one node: their mean, with no more weight
//! than those that came before have together. They cannot agree with each other, they cannot outvote, and what they report alone
//! counts as one node's. A node counts as one of the earlier ones when
//!
//! | | |
//! |---|---|
//! | it was there before | the store named it as this node began to listen |
//! | it has been there long enough | half as long as the first one, this node included, but at least [`YOUNG_MS`]; [`OLD_MS`] is always enough |
//!
//! So the nodes that a new one finds in the store are equal, and any that it meets on the channel, however many at once and however
//! soon, counts in full after a minute to an hour. Until then it counts as far as it agrees with the earlier ones. With a secret ids
//! are proved, and all nodes are equal at once.

use crate::{
    physics::peers::PeerAggregate,
    units::{Millis, Ohms},
};

/// Nodes known for less long are later ones, unless they were there before, ms.
pub const YOUNG_MS: Millis = 60_000.0;
/// Nodes known for so long are not, ms.
pub const OLD_MS: Millis = 3_600_000.0;

/// The nodes of a route that count as earlier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seniority {
    mature_ms: Millis,
}

impl Seniority {
    /// All nodes do.
    pub const NONE: Self = Self { mature_ms: Millis::INFINITY };

    /// The seniority where the first of the nodes has been there since `first_ms`.
    #[must_use]
    pub fn since(first_ms: Millis, now_ms: Millis) -> Self {
        let mature_after_ms = ((now_ms - first_ms) / 2.0).clamp(YOUNG_MS, OLD_MS);
        Self { mature_ms: now_ms - mature_after_ms }
    }

    /// Returns whether a node that has been known since then counts as earlier.
    #[must_use]
    pub fn counts(&self, known_ms: Millis) -> bool {
        known_ms <= self.mature_ms
    }
}

/// The nodes that came later, as the one node that they count as.
#[derive(Debug, Clone, Copy, Default)]
pub struct Later {
    nodes: u32,
    scar: Ohms,
    weight: f64,
    weighted_scar: f64,
}

impl Later {
    /// Adds one of them: its scar, Ω, ≥ 0, and its recent requests, ≥ 0.
    pub fn add(&mut self, scar: Ohms, requests: f64) {
        let weight = 1.0 + requests;
        self.nodes += 1;
        self.scar = scar;
        self.weight += weight;
        self.weighted_scar += weight * scar;
    }

    /// Adds the later nodes' reports to the earlier ones of an aggregate.
    pub fn join(&self, aggregate: &mut PeerAggregate) {
        if self.nodes == 0 {
            return;
        }
        // A single one counts to the bit.
        let scar = if self.nodes == 1 { self.scar } else { self.weighted_scar / self.weight };
        let weight = if aggregate.peers == 0 { self.weight } else { self.weight.min(aggregate.weight) };
        aggregate.add(scar, weight - 1.0);
    }
}
