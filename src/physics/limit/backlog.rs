//! The backlog: work in flight beyond what was admitted within one service time. Where there is no queue, that is none,
//! however arrivals come: by Little's law n(t) is on average what was admitted in the last b.
//!
//! ```text
//! Q = n − admitted in the last b
//! ```

use crate::units::Millis;

/// Parts that a service time is divided into.
const PARTS: usize = 8;
/// The parts are measured anew when b is off by more than this share.
const TOLERANCE: f64 = 0.3;

/// Admissions and completions in the last b, by parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Backlog {
    part_ms: Millis,
    part: u64,
    admitted: [f32; PARTS],
    completed: [f32; PARTS],
}

impl Backlog {
    /// Takes over a new b.
    pub fn set_span(&mut self, baseline_ms: Millis, now_ms: Millis) {
        let part_ms = baseline_ms / (PARTS as f64 - 1.0);
        if part_ms > 0.0 && (self.part_ms / part_ms - 1.0).abs() > TOLERANCE {
            *self = Self { part_ms, part: (now_ms / part_ms) as u64, ..Self::default() };
        }
    }

    /// Time has come to `now_ms`.
    #[inline]
    pub fn pass(&mut self, now_ms: Millis) {
        if self.part_ms <= 0.0 {
            return;
        }
        let part = (now_ms / self.part_ms) as u64;
        if part > self.part {
            for gone in 1..=(part - self.part).min(PARTS as u64) {
                let index = (self.part + gone) as usize % PARTS;
                self.admitted[index] = 0.0;
                self.completed[index] = 0.0;
            }
            self.part = part;
        } else if part + (PARTS as u64) < self.part {
            // The clock was set back: what is filed under the future would never be forgotten.
            *self = Self { part_ms: self.part_ms, part, ..Self::default() };
        }
    }

    /// A request was admitted.
    #[inline]
    pub fn admit(&mut self) {
        self.admitted[self.part as usize % PARTS] += 1.0;
    }

    /// A request was completed.
    #[inline]
    pub fn complete(&mut self) {
        self.completed[self.part as usize % PARTS] += 1.0;
    }

    /// Admitted in the last b.
    pub fn admitted(&self) -> f64 {
        f64::from(self.admitted.iter().sum::<f32>())
    }

    fn per_ms(&self, parts: &[f32; PARTS]) -> f64 {
        let span_ms = self.part_ms * PARTS as f64;
        if span_ms > 0.0 { f64::from(parts.iter().sum::<f32>()) / span_ms } else { 0.0 }
    }

    /// Completions a ms in the last b; 0 before b is known.
    pub fn rate(&self) -> f64 {
        self.per_ms(&self.completed)
    }

    /// Admissions a ms in the last b; 0 before b is known.
    pub fn admission_rate(&self) -> f64 {
        self.per_ms(&self.admitted)
    }

    /// Is b known, so that the backlog is?
    pub fn is_known(&self) -> bool {
        self.part_ms > 0.0
    }
}
