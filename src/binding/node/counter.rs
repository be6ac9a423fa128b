//! Monotonic time by the processor's own counter: 10 ns a reading where the system's clock takes 24.
//!
//! ```text
//! t = t₀ + (c − c₀)·ns a count        for at most 50 ms from the reading (c₀, t₀); then the system's clock is read again
//! ```
//!
//! The rate is measured between such readings, so starting costs nothing, and neither a deviation nor a moved virtual machine lasts for
//! longer than that. Crates for it (quanta, minstant) wait at the start until they know the rate, and keep it for good.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;

use super::system_clock::system_ns;

/// The span over which the rate is measured at first, ns.
const FIRST_SPAN_NS: u64 = 20_000_000;
/// The span for which a reading of the system's clock is carried on, ns.
const SPAN_NS: u64 = 50_000_000;
/// A rate is in ns a count, as a fraction of this.
const RATE_BITS: u32 = 32;
/// A rate that differs from the one before by more than this part of it is another counter's, or was disturbed.
const RATE_PART: u64 = 1024;
/// Time that is ahead of the system's clock goes on slower by this part of its rate: so little that the true rate, which is measured
/// next, does not pass for another counter's.
const CATCH_UP_PART: u64 = 2 * RATE_PART;
/// A pair of readings that took longer than this many counts was interrupted.
const PAIR_COUNTS: u64 = 20_000;
const PAIR_TRIES: u32 = 4;

/// A reading of both clocks, and how time goes on from there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Anchor {
    /// The counter.
    count: u64,
    /// The system's clock at that count, ns.
    system_ns: u64,
    /// The time at that count, ns: never before a time that was given.
    ns: u64,
    /// ns a count; 0: not known yet.
    rate: u64,
    /// Counts from there for which it holds.
    span: u64,
}

impl Anchor {
    fn at(count: u64, system_ns: u64, ns: u64) -> Self {
        Self { count, system_ns, ns, rate: 0, span: 0 }
    }

    /// The time at a count within the span.
    #[inline]
    fn time(&self, count: u64) -> Option<u64> {
        let since = count.wrapping_sub(self.count);
        (since < self.span).then(|| self.ns + (since.wrapping_mul(self.rate) >> RATE_BITS))
    }

    /// The latest time that was given by it when the counter is at `count`, ns.
    fn latest(&self, count: u64) -> u64 {
        self.ns + (count.saturating_sub(self.count).min(self.span).wrapping_mul(self.rate) >> RATE_BITS)
    }

    /// The next anchor after both clocks were read at once.
    fn next(&self, count: u64, system_ns: u64) -> Self {
        let latest = self.latest(count);
        let ns = system_ns.max(latest);
        let anew = Self::at(count, system_ns, ns);
        let (Some(counts), Some(elapsed_ns)) =
            (count.checked_sub(self.count).filter(|&counts| counts > 0), system_ns.checked_sub(self.system_ns))
        else {
            return anew;
        };
        if elapsed_ns < FIRST_SPAN_NS {
            // Read again while it holds, as where another thread writes it: the time at its count is what it was.
            return if self.rate == 0 { Self { ns, ..*self } } else { *self };
        }
        let rate = u64::try_from((u128::from(elapsed_ns) << RATE_BITS) / u128::from(counts)).unwrap_or(0);
        if rate == 0 || rate >> RATE_BITS > 1 || self.rate != 0 && rate.abs_diff(self.rate) > self.rate / RATE_PART {
            return anew;
        }
        // Ahead of the system's clock: a little slower until it has caught up.
        let rate = if latest > system_ns { rate - rate / CATCH_UP_PART } else { rate };
        let span = u64::try_from((u128::from(SPAN_NS) << RATE_BITS) / u128::from(rate)).unwrap_or(0);
        Self { count, system_ns, ns, rate, span }
    }
}

/// The anchor of the process: written under the lock, read without it; the version is odd while it is written.
struct Shared {
    version: AtomicU64,
    count: AtomicU64,
    ns: AtomicU64,
    rate: AtomicU64,
    span: AtomicU64,
    latest: Mutex<Option<Anchor>>,
}

static SHARED: Shared = Shared {
    version: AtomicU64::new(0),
    count: AtomicU64::new(0),
    ns: AtomicU64::new(0),
    rate: AtomicU64::new(0),
    span: AtomicU64::new(0),
    latest: Mutex::new(None),
};

impl Shared {
    #[inline]
    fn now_ns(&self) -> u64 {
        let version = self.version.load(Ordering::Acquire);
        let anchor = Anchor {
            count: self.count.load(Ordering::Relaxed),
            system_ns: 0,
            ns: self.ns.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
            span: self.span.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        let time = anchor.time(count());
        match time {
            Some(ns) if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version => ns,
            _ => self.renew(),
        }
    }

    /// Reads the system's clock, and goes on from there.
    #[cold]
    #[inline(never)]
    fn renew(&self) -> u64 {
        let mut latest = self.latest.lock();
        let Some((count, system_ns)) = pair() else {
            let now_ns = system_ns();
            return latest.as_ref().map_or(now_ns, |anchor| now_ns.max(anchor.latest(count())));
        };
        let before = latest.unwrap_or_else(|| Anchor::at(count, system_ns, system_ns));
        let next = before.next(count, system_ns);
        *latest = Some(next);
        if next != before {
            self.version.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::Release);
            self.count.store(next.count, Ordering::Relaxed);
            self.ns.store(next.ns, Ordering::Relaxed);
            self.rate.store(next.rate, Ordering::Relaxed);
            self.span.store(next.span, Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Release);
        }
        next.latest(count).max(system_ns)
    }
}

/// Both clocks, read without an interruption between; None where there always was one.
fn pair() -> Option<(u64, u64)> {
    (0..PAIR_TRIES).find_map(|_| {
        let before = count();
        let system_ns = system_ns();
        let after = count();
        (after.wrapping_sub(before) < PAIR_COUNTS).then(|| (before + (after - before) / 2, system_ns))
    })
}

#[inline]
#[allow(unsafe_code, reason = "an instruction")]
fn count() -> u64 {
    // SAFETY: every x86-64 has the instruction. Where a system forbids it to programs, its clock is not the counter either, and
    // `is_steady` says so.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Returns whether the system itself takes its time from the counter: then it is the same on all cores, and goes on at one rate.
pub fn is_steady() -> bool {
    let source = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    source.is_ok_and(|name| name.trim() == "tsc")
}

/// ns by the system's monotonic clock, which never go back. Only where [`is_steady`].
pub fn now_ns() -> u64 {
    SHARED.now_ns()
}

#[cfg(test)]
mod tests {
    use super::{Anchor, FIRST_SPAN_NS, SPAN_NS, is_steady, now_ns, system_ns};

    /// An anchor that has measured its rate: `counts_per_ns` counts a ns.
    fn running(counts_per_ns: u64) -> Anchor {
        let first = Anchor::at(1_000, 5_000, 5_000);
        first.next(1_000 + FIRST_SPAN_NS * counts_per_ns, 5_000 + FIRST_SPAN_NS)
    }

    #[test]
    fn the_system_is_asked_until_the_rate_is_known() {
        let first = Anchor::at(1_000, 5_000, 5_000);
        assert_eq!(first.time(1_000), None);
        let soon = first.next(2_000_000, 5_000 + FIRST_SPAN_NS - 1);
        assert_eq!((soon.count, soon.rate, soon.time(2_000_000)), (1_000, 0, None));
        assert_eq!(soon.ns, 5_000 + FIRST_SPAN_NS - 1);
    }

    #[test]
    fn time_goes_on_at_the_measured_rate_for_a_span() {
        let anchor = running(2);
        assert_eq!(anchor.time(anchor.count), Some(anchor.ns));
        assert_eq!(anchor.time(anchor.count + 2_000), Some(anchor.ns + 1_000));
        assert_eq!(anchor.time(anchor.count + 2 * SPAN_NS), None);
        assert_eq!(anchor.time(anchor.count - 1), None, "a counter that went back");
    }

    #[test]
    fn time_never_goes_back_when_the_system_is_behind() {
        let anchor = running(2);
        let count = anchor.count + 2 * SPAN_NS;
        // The system's clock was slowed by a ten-thousandth.
        let system_ns = anchor.system_ns + SPAN_NS - SPAN_NS / 10_000;
        let next = anchor.next(count, system_ns);
        assert!(next.ns >= anchor.latest(count) && next.ns > system_ns);
        // It is given the time to catch up.
        let later = next.next(count + 2 * SPAN_NS, system_ns + SPAN_NS);
        assert!(later.ns - (system_ns + SPAN_NS) < next.ns - system_ns);
    }

    #[test]
    fn the_rate_stays_known_while_time_catches_up() {
        let mut anchor = running(2);
        // Readings of the two clocks as a pair are off by µs, to either side.
        for off_ns in [0, 4_000, 0, 3_000, 1_000, 4_000, 0, 2_000, 4_000, 0] {
            let count = anchor.count + 2 * SPAN_NS;
            anchor = anchor.next(count, anchor.system_ns + SPAN_NS + 2_000 - off_ns);
            assert_ne!(anchor.rate, 0, "off by {off_ns} ns");
            assert!(anchor.time(count).is_some());
        }
    }

    #[test]
    fn an_anchor_that_holds_is_not_moved_by_a_reading() {
        let anchor = running(2);
        assert_eq!(anchor.next(anchor.count + 2_000, anchor.system_ns + 1_000), anchor);
    }

    #[test]
    fn readings_of_several_threads_stay_beside_the_system() {
        if !is_steady() {
            return;
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let deadline = system_ns() + 8 * SPAN_NS;
                    while system_ns() < deadline {
                        let now = now_ns();
                        let after = system_ns();
                        assert!(now <= after + 60_000, "{now} after {after}");
                    }
                });
            }
        });
    }

    #[test]
    fn another_rate_is_measured_anew() {
        let anchor = running(2);
        let moved = anchor.next(anchor.count + 6 * SPAN_NS, anchor.system_ns + SPAN_NS);
        assert_eq!((moved.rate, moved.time(moved.count)), (0, None));
        assert!(moved.ns >= anchor.system_ns + SPAN_NS);
        let back = anchor.next(anchor.count - 500, anchor.system_ns + 10);
        assert_eq!(back.rate, 0);
        assert!(back.ns >= anchor.ns);
    }

    #[test]
    fn readings_lie_between_those_of_the_system_and_never_go_back() {
        if !is_steady() {
            return;
        }
        let deadline = system_ns() + 4 * SPAN_NS;
        let mut last = 0;
        while system_ns() < deadline {
            let before = system_ns();
            let now = now_ns();
            assert!(now >= last, "{now} after {last}");
            last = now;
            let after = system_ns();
            // A rate that is off by a part in RATE_PART gives less within a span.
            assert!(now + 60_000 >= before && now <= after + 60_000, "{now} outside {before}..{after}");
        }
    }
}
