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
/// A part surely lasts up to this share of the time at which the next begins: what rounding may shift is less.
const SURE: f64 = 1.0 - 4.0 * f64::EPSILON;

/// Admissions and completions in the last b, to a part of it.
///
/// Totals, and what they were at the beginning of each part: what is in the last b is a difference, and to enter a part is to
/// note the totals, however many were counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Backlog {
    part_ms: Millis,
    part: i64,
    /// Before this time, ms, it is the same part for sure.
    same_until_ms: Millis,
    total: Counts,
    at_part: [Counts; PARTS],
}

image! { Backlog { part_ms, part, same_until_ms, total, at_part } }

/// Numbers that wrap.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Counts {
    admitted: u32,
    completed: u32,
}

image! { Counts { admitted, completed } }

impl Backlog {
    /// No admissions and completions, at `now_ms`.
    fn empty(part_ms: Millis, now_ms: Millis) -> Self {
        let mut empty = Self { part_ms, ..Self::default() };
        empty.enter((now_ms / part_ms) as i64);
        empty
    }

    fn enter(&mut self, part: i64) {
        self.part = part;
        self.same_until_ms = (part as f64 + 1.0) * self.part_ms * SURE;
    }

    /// Takes over a new b.
    pub fn set_span(&mut self, baseline_ms: Millis, now_ms: Millis) {
        let part_ms = baseline_ms / (PARTS as f64 - 1.0);
        if part_ms > 0.0 && (self.part_ms / part_ms - 1.0).abs() > TOLERANCE {
            *self = Self::empty(part_ms, now_ms);
        }
    }

    /// Time has come to `now_ms`, and goes on from there only.
    #[inline]
    pub fn pass(&mut self, now_ms: Millis) {
        if now_ms >= self.same_until_ms && self.part_ms > 0.0 {
            self.pass_parts(now_ms);
        }
    }

    #[inline(never)]
    fn pass_parts(&mut self, now_ms: Millis) {
        let part = (now_ms / self.part_ms) as i64;
        // Parts that ended without a request, too; as many as there are, at most.
        let gone = (part - self.part).clamp(0, PARTS as i64);
        // All of them at once, as with every call of an idle route. In wasm code is dearer than the loop.
        if cfg!(not(target_family = "wasm")) && gone == PARTS as i64 {
            self.at_part = [self.total; PARTS];
        } else {
            let mut at = self.part as usize;
            for _ in 0..gone {
                at = at.wrapping_add(1);
                self.at_part[at % PARTS] = self.total;
            }
        }
        self.enter(part.max(self.part));
    }

    /// The totals at the beginning of the last b.
    #[inline]
    fn before(&self) -> Counts {
        self.at_part[(self.part + 1) as usize % PARTS]
    }

    /// A request was admitted.
    #[inline]
    pub fn admit(&mut self) {
        self.total.admitted = self.total.admitted.wrapping_add(1);
    }

    /// A request was completed.
    #[inline]
    pub fn complete(&mut self) {
        self.total.completed = self.total.completed.wrapping_add(1);
    }

    /// Admitted in the last b.
    #[inline]
    pub fn admitted(&self) -> f64 {
        f64::from(self.total.admitted.wrapping_sub(self.before().admitted))
    }

    #[inline]
    fn completed(&self) -> f64 {
        f64::from(self.total.completed.wrapping_sub(self.before().completed))
    }

    fn per_ms(&self, count: f64) -> f64 {
        let span_ms = self.part_ms * PARTS as f64;
        if span_ms > 0.0 { count / span_ms } else { 0.0 }
    }

    /// Completions a ms in the last b; 0 before b is known.
    pub fn rate(&self) -> f64 {
        self.per_ms(self.completed())
    }

    /// Admissions a ms in the last b; 0 before b is known.
    pub fn admission_rate(&self) -> f64 {
        self.per_ms(self.admitted())
    }

    /// Is b known, so that the backlog is?
    #[inline]
    pub fn is_known(&self) -> bool {
        self.part_ms > 0.0
    }
}
