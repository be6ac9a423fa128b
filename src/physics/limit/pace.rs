//! Completions and the time that they took.

use crate::units::Millis;

/// Completions and the time that they took, forgetting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pace {
    /// Completions.
    pub completions: f64,
    /// ms.
    pub time_ms: Millis,
}

image! { Pace { completions, time_ms } }

impl Pace {
    /// One more completion: what is older than `memory` of them is forgotten.
    pub fn complete(&mut self, memory: f64) {
        self.completions += 1.0;
        if self.completions > memory {
            self.time_ms *= memory / self.completions;
            self.completions = memory;
        }
    }

    /// Completions a ms; 0 before there was time.
    pub fn rate(&self) -> f64 {
        if self.time_ms > 0.0 { self.completions / self.time_ms } else { 0.0 }
    }
}

/// The same in half the room, where there are many.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Level {
    /// Completions.
    pub completions: f32,
    /// ms.
    pub time_ms: f32,
}

image! { Level { completions, time_ms } }
