//! The rate at which unknown nodes are accepted, where no secret proves their ids.
//!
//! Ids cost nothing to invent, so without a secret a limited number of new ones a second is accepted. Nodes that are known
//! already are not affected.

use crate::units::Millis;

/// New nodes accepted at once.
pub const BURST: f64 = 64.0;
/// New nodes accepted a second.
pub const PER_SECOND: f64 = 16.0;

/// A bucket of places for new nodes.
#[derive(Debug)]
pub struct Newcomers {
    places: f64,
    filled_ms: Millis,
}

impl Default for Newcomers {
    fn default() -> Self {
        Self { places: BURST, filled_ms: 0.0 }
    }
}

impl Newcomers {
    /// Returns whether an unknown node is accepted at `now_ms` of a clock that never goes back.
    pub fn admit(&mut self, now_ms: Millis) -> bool {
        let elapsed_ms = (now_ms - self.filled_ms).max(0.0);
        self.filled_ms = self.filled_ms.max(now_ms);
        self.places = (self.places + elapsed_ms / 1e3 * PER_SECOND).min(BURST);
        let has_place = self.places >= 1.0;
        if has_place {
            self.places -= 1.0;
        }
        has_place
    }
}
