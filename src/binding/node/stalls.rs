//! The stalls of an event loop: times in which it came back neither to its poll nor to a decision.

use crate::units::Millis;

/// A stall is at least so long, ms.
pub const LEAST_MS: Millis = 50.0;
/// Stalls that are kept: a request that more of them overlapped is excused for the newest alone.
const KEPT: usize = 64;
/// The memory of how much the loop stalls, ms; what one stall adds to it at most; and from what on stalls are common.
const MEMORY_MS: Millis = 2000.0;
const MOST_OF_ONE_MS: Millis = 500.0;
const COMMON_MS: Millis = 1000.0;

/// The most that one turn of the loop adds to the memory of how long its turns are, ms: less than one stall does. A loop whose turns are
/// all of this length is busy with much; one with fewer and longer turns is kept by single pieces of work.
const MOST_OF_ONE_TURN_MS: Millis = 300.0;

/// A stall.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stall {
    /// The beginning and the end of the stall, ms since the Unix epoch by the process's clock.
    pub since_ms: Millis,
    pub until_ms: Millis,
    /// The part of it in which the whole process did not run, as on a machine that is suspended, ms.
    pub frozen_ms: Millis,
}

impl Stall {
    /// The time in which the loop was kept from its work by work of its own, ms.
    pub fn own_ms(&self) -> Millis {
        (self.until_ms - self.since_ms - self.frozen_ms).max(0.0)
    }
}

/// The last stalls of a loop.
#[derive(Debug)]
pub struct Stalls {
    kept: [Stall; KEPT],
    count: u64,
    load: Load,
}

/// The time of late in which something was so, decaying, ms; and when that was computed, ms.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    ms: Millis,
    at_ms: Millis,
}

impl Load {
    fn add(&mut self, ms: Millis, now_ms: Millis) {
        *self = Self { ms: self.at(now_ms) + ms, at_ms: now_ms };
    }

    fn at(&self, now_ms: Millis) -> Millis {
        self.ms * (-(now_ms - self.at_ms).max(0.0) / MEMORY_MS).exp()
    }
}

impl Default for Stalls {
    fn default() -> Self {
        Self { kept: [Stall::default(); KEPT], count: 0, load: Load::default() }
    }
}

impl Stalls {
    /// Adds a stall that is over. They come in their order, and do not overlap.
    pub fn add(&mut self, stall: Stall) {
        self.kept[self.count as usize % KEPT] = stall;
        self.count += 1;
        self.load.add((stall.until_ms - stall.since_ms).clamp(0.0, MOST_OF_ONE_MS), stall.until_ms);
    }

    /// The stalls since there had been `seen`, as far as they are kept.
    pub fn after(&self, seen: u64) -> impl Iterator<Item = &Stall> {
        let first = seen.max(self.count.saturating_sub(KEPT as u64));
        (first..self.count).map(|number| &self.kept[number as usize % KEPT])
    }

    /// The end of the last stall, ms; −∞ where there was none.
    pub fn ended_ms(&self) -> Millis {
        self.after(self.count.saturating_sub(1)).next().map_or(f64::NEG_INFINITY, |stall| stall.until_ms)
    }

    /// Returns whether the last stall had exactly these ends.
    pub fn last_is(&self, since_ms: Millis, until_ms: Millis) -> bool {
        let last = self.after(self.count.saturating_sub(1)).next();
        last.is_some_and(|stall| {
            stall.since_ms.to_bits() == since_ms.to_bits() && stall.until_ms.to_bits() == until_ms.to_bits()
        })
    }

    /// The time from `from_ms` to `to_ms` in which the loop stalled, ms.
    pub fn overlap_ms(&self, from_ms: Millis, to_ms: Millis) -> Millis {
        let mut overlap_ms = 0.0;
        for number in (self.count.saturating_sub(KEPT as u64)..self.count).rev() {
            let stall = &self.kept[number as usize % KEPT];
            if stall.until_ms <= from_ms {
                break;
            }
            overlap_ms += (stall.until_ms.min(to_ms) - stall.since_ms.max(from_ms)).max(0.0);
        }
        overlap_ms
    }

    /// Returns whether the loop stalls so much that its own work, and not what it waits for, is what requests take their time from. One
    /// stall alone never makes it so.
    pub fn are_common(&self, now_ms: Millis) -> bool {
        // It only decays: what is asked of nearly every call that is over takes no exponential.
        self.load.ms >= COMMON_MS && self.load.at(now_ms) >= COMMON_MS
    }
}

/// The times in which a loop read nothing: its stalls, and its long turns, even those in which it came to decisions. Nothing that came
/// meanwhile is known, so they are no silence of any route.
#[derive(Debug)]
pub struct Deaf {
    kept: [[Millis; 2]; KEPT],
    count: u64,
    /// Until when it is known, ms.
    until_ms: Millis,
    turns: Load,
}

impl Deaf {
    /// Of a loop that is at work since `now_ms`.
    pub fn new(now_ms: Millis) -> Self {
        Self { kept: [[0.0; 2]; KEPT], count: 0, until_ms: now_ms, turns: Load::default() }
    }

    /// The time until which it is known whether the loop read, ms.
    pub fn until_ms(&self) -> Millis {
        self.until_ms
    }

    /// Times so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The beginnings and the ends of the times since there had been `seen`, as far as they are kept, ms.
    pub fn after(&self, seen: u64) -> impl Iterator<Item = &[Millis; 2]> {
        let first = seen.max(self.count.saturating_sub(KEPT as u64));
        (first..self.count).map(|number| &self.kept[number as usize % KEPT])
    }

    /// The loop stalled.
    pub fn stalled(&mut self, stall: &Stall, turn_since_ms: Millis) {
        self.read_nothing(turn_since_ms, stall.since_ms);
        self.add(stall.since_ms, stall.until_ms);
        self.until_ms = stall.until_ms;
    }

    /// The loop is in a turn that began at `since_ms`, and has read nothing since. Where long turns are common that counts for nothing: each
    /// reads what came before it, and a route of which nothing came is silent.
    pub fn read_nothing(&mut self, since_ms: Millis, now_ms: Millis) {
        let from_ms = since_ms.max(self.until_ms);
        if now_ms - since_ms >= LEAST_MS && now_ms > from_ms && self.turns.at(now_ms) < COMMON_MS {
            self.add(from_ms, now_ms);
        }
        self.until_ms = if now_ms - since_ms >= LEAST_MS { now_ms } else { from_ms };
    }

    /// A turn that began at `since_ms` is over.
    pub fn turned(&mut self, since_ms: Millis, now_ms: Millis) {
        if now_ms - since_ms >= LEAST_MS {
            self.turns.add((now_ms - since_ms).min(MOST_OF_ONE_TURN_MS), now_ms);
        }
        self.until_ms = now_ms;
    }

    fn add(&mut self, since_ms: Millis, until_ms: Millis) {
        self.kept[self.count as usize % KEPT] = [since_ms, until_ms];
        self.count += 1;
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the times are whole")]
mod tests {
    use super::{Deaf, KEPT, Stall, Stalls};

    fn stall(since_ms: f64, until_ms: f64) -> Stall {
        Stall { since_ms, until_ms, frozen_ms: 0.0 }
    }

    #[test]
    fn the_part_of_a_request_that_lay_in_stalls() {
        let mut stalls = Stalls::default();
        assert_eq!(stalls.overlap_ms(0.0, 1e9), 0.0);
        assert_eq!(stalls.ended_ms(), f64::NEG_INFINITY);
        stalls.add(stall(100.0, 200.0));
        stalls.add(stall(300.0, 800.0));
        for (from_ms, to_ms, overlap_ms) in
            [(0.0, 50.0, 0.0), (0.0, 900.0, 600.0), (150.0, 350.0, 100.0), (800.0, 900.0, 0.0), (400.0, 500.0, 100.0)]
        {
            assert_eq!(stalls.overlap_ms(from_ms, to_ms), overlap_ms, "{from_ms} to {to_ms}");
        }
        assert_eq!(stalls.after(1).collect::<Vec<_>>(), [&stall(300.0, 800.0)]);
        assert_eq!(stalls.ended_ms(), 800.0);
    }

    #[test]
    fn as_many_as_are_kept_count() {
        let mut stalls = Stalls::default();
        for n in 0..KEPT + 10 {
            stalls.add(stall(n as f64 * 100.0, n as f64 * 100.0 + 60.0));
        }
        assert_eq!(stalls.overlap_ms(0.0, 1e9), KEPT as f64 * 60.0);
        assert_eq!(stalls.after(0).count(), KEPT);
        assert_eq!(stalls.after(stalls.count).count(), 0);
    }

    #[test]
    fn one_stall_is_never_common_and_a_loop_that_is_full_of_them_soon_is() {
        let mut stalls = Stalls::default();
        stalls.add(stall(0.0, 60_000.0));
        assert!(!stalls.are_common(60_000.0));
        let mut end_ms = 70_000.0;
        let needed = (1..100).find(|_| {
            stalls.add(stall(end_ms, end_ms + 100.0));
            end_ms += 100.0;
            stalls.are_common(end_ms)
        });
        assert!(needed.is_some_and(|count| (8..=16).contains(&count)), "{needed:?}");
        assert!(!stalls.are_common(end_ms + 2000.0));
    }
    /// Turns of `turn_ms` after one another, with a decision every `step_ms`: the share of the time that counts as deaf.
    fn deaf_share(turn_ms: f64, step_ms: f64, turns: u32) -> f64 {
        let mut deaf = Deaf::new(0.0);
        let (mut now_ms, mut total_ms, mut seen) = (0.0, 0.0, 0);
        for _ in 0..turns {
            let since_ms = now_ms;
            while now_ms < since_ms + turn_ms {
                now_ms += step_ms;
                if now_ms - deaf.until_ms() >= super::LEAST_MS {
                    deaf.read_nothing(since_ms, now_ms);
                }
                total_ms += deaf.after(seen).map(|[since_ms, until_ms]| until_ms - since_ms).sum::<f64>();
                seen = deaf.count();
            }
            deaf.turned(since_ms, now_ms);
        }
        total_ms / now_ms
    }

    #[test]
    fn a_long_turn_with_decisions_is_deaf_and_short_ones_are_not() {
        assert!(deaf_share(1000.0, 2.0, 1) > 0.95);
        assert!(deaf_share(1000.0, 10.0, 10) > 0.9);
        assert_eq!(deaf_share(40.0, 2.0, 100), 0.0);
        // A loop that is busy with much reads at each turn what came before it.
        assert!(deaf_share(100.0, 2.0, 1000) < 0.02);
    }

    #[test]
    fn a_stall_and_its_turn_do_not_overlap() {
        let mut deaf = Deaf::new(0.0);
        deaf.read_nothing(0.0, 60.0);
        deaf.stalled(&stall(80.0, 200.0), 0.0);
        deaf.read_nothing(0.0, 260.0);
        assert_eq!(deaf.after(0).collect::<Vec<_>>(), [&[0.0, 60.0], &[60.0, 80.0], &[80.0, 200.0], &[200.0, 260.0]]);
    }
}
