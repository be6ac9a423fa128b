//! How much nodes count that are known for less long than others, where nothing proves who they are.
//!
//! An id that was never heard of may be one of many that somebody invents, so those that came later speak with one voice: their
//! mean, with no more weight than those that came before have together. They cannot agree with each other, they cannot outvote,
//! and what they say alone is what one node says alone. A node counts as one of the earlier ones when
//!
//! | | |
//! |---|---|
//! | it came with the first | it was met when the first of all that speak was, whether or not of this route, as those loaded from the store are |
//! | it has been there long enough | half as long as that one, but at least [`YOUNG_MS`]; [`OLD_MS`] is always enough |
//!
//! So the nodes that a new one finds in the store are equal, and one that joins later counts in full after a minute to an hour. Until
//! then it is heard, and confirms or is confirmed by the earlier ones. With a secret ids are proved, and all nodes are equal at once.

use crate::{
    physics::peers::PeerAggregate,
    units::{Millis, Ohms},
};

/// Nodes known for less long are later ones, unless they came with the first, ms.
pub const YOUNG_MS: Millis = 60_000.0;
/// Nodes known for so long are not, ms.
pub const OLD_MS: Millis = 3_600_000.0;

/// Who counts among the earlier nodes of a route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seniority {
    first_ms: Millis,
    mature_ms: Millis,
}

impl Seniority {
    /// All do.
    pub const NONE: Self = Self { first_ms: Millis::INFINITY, mature_ms: Millis::INFINITY };

    /// Of the nodes that speak the first was met at `first_ms`.
    #[must_use]
    pub fn since(first_ms: Millis, now_ms: Millis) -> Self {
        let mature_after_ms = ((now_ms - first_ms) / 2.0).clamp(YOUNG_MS, OLD_MS);
        Self { first_ms, mature_ms: now_ms - mature_after_ms }
    }

    /// Does a node that was met then?
    #[must_use]
    pub fn counts(&self, met_ms: Millis) -> bool {
        met_ms <= self.first_ms || met_ms <= self.mature_ms
    }
}

/// The nodes that came later, as the one voice that they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Later {
    voices: u32,
    scar: Ohms,
    weight: f64,
    weighted_scar: f64,
}

impl Later {
    /// One of them suffered `scar` Ω, ≥ 0, and saw `requests` lately, ≥ 0.
    pub fn add(&mut self, scar: Ohms, requests: f64) {
        let weight = 1.0 + requests;
        self.voices += 1;
        self.scar = scar;
        self.weight += weight;
        self.weighted_scar += weight * scar;
    }

    /// They join those that came before.
    pub fn join(&self, aggregate: &mut PeerAggregate) {
        if self.voices == 0 {
            return;
        }
        // One of them says what it says, to the bit.
        let scar = if self.voices == 1 { self.scar } else { self.weighted_scar / self.weight };
        let weight = if aggregate.peers == 0 { self.weight } else { self.weight.min(aggregate.weight) };
        aggregate.add(scar, weight - 1.0);
    }
}
