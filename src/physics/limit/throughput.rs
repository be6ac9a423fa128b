//! Throughput by work in flight: completions while so many were in flight, over the time spent there. Idle time enters
//! nowhere, and neither does a silence that is longer than the pace of completions explains.
//!
//! ```text
//! M = max over levels 2^j of  (k − σ√k)/t     k, t: completions and time with at least 2^j in flight, and with less than
//!                                             2^(j+1) as well: the most that the route has shown it can do, as a lower
//!                                             confidence bound
//! μ = k/t with at least ⌊M·b⌋ in flight       what it does now, when every server has work. M·b itself would count what the last
//!                                             server completes, and not the time at which it began
//! ```
//!
//! μ is followed both ways, and believed at once when it is further from what was known than counting explains. It says
//! nothing of a route that is not busy, so no idleness, whoever caused it, passes for a loss of capacity.

use super::{
    OCTAVES, STEP, octave,
    pace::{Level, Pace},
};
use crate::{
    physics::{
        math::{larger, smaller},
        span::Span,
    },
    units::Millis,
};

/// Completions that the levels remember in all.
const LEVEL_MEMORY: f32 = 1024.0;
/// Share of M from which μ is near it.
const NEAR_MOST: f64 = 0.9;
/// Completions from which a level speaks.
const LEVEL_SAMPLES: f64 = 12.0;
/// Completions that μ remembers, at least; and from which it speaks.
const BUSY_MEMORY: f64 = 256.0;
const BUSY_SAMPLES: f64 = 16.0;
/// More than this many knees in flight is a crowd.
const CROWDED_KNEES: f64 = 1.5;
/// The share of M that a crowd is to complete at least, and the share of that to which contention makes it fall.
const LEAST_SHARE: f64 = 0.8;
const FALLEN: f64 = 0.5;
/// Completions over which a change is looked for, and how many standard deviations make one.
const CHANGE_MEMORY: f64 = 32.0;
const CHANGE_DEVIATIONS: f64 = 3.0;
/// ... and how many where servers idled: what was done could be done, and only by how much it was luck is in question.
const MORE_DEVIATIONS: f64 = 2.0;
const DISPERSION_GAIN: f64 = 0.1;
const DISPERSION: (f64, f64) = (0.1, 16.0);
/// ... and at most, of completions while servers idle, which tell nothing of it.
const SPARED_DISPERSION: f64 = 1.5;
/// A silence counts as slowness for so many completions' time, and so many services.
const SILENCE: (f64, f64) = (8.0, 2.0);
/// Work that took longer than so many b, and is completed faster than so many times what Little's law makes of what it met
/// and took, had been done before: it is released, and says nothing of what can be done.
const RELEASED: (f64, f64) = (3.0, 2.0);

/// See the module. Laid out as written: what every request reads comes first.
#[derive(Debug, Clone, PartialEq)]
#[repr(C)]
pub(super) struct Throughput {
    busy: Pace,
    /// The completions of late while servers idled.
    spared: Pace,
    /// The completions of late with more in flight than every server needs, since there was less or W was 0.
    pub crowded: Pace,
    observed: f64,
    expected: f64,
    /// Index of dispersion of completions: variance ÷ mean of their number.
    pub dispersion: f64,
    /// M, completions a ms.
    pub most: f64,
    /// μ, completions a ms.
    pub rate: f64,
    /// μ as an upper confidence bound.
    pub rate_at_most: f64,
    /// The time that μ needs for the completions of a silence, ms.
    silence_pace_ms: Millis,
    completed_ms: Millis,
    window: Pace,
    /// The window's time at its last completion, ms.
    window_ms: Millis,
    /// The sums of what the window's completions had met, and of what they took, ms.
    window_met: f64,
    window_latency_ms: Millis,
    /// The last window in which every server had work.
    pub last: Pace,
    levels: Span<Level, OCTAVES, STEP>,
}

image! { Throughput {
    busy, spared, crowded, observed, expected, dispersion, most, rate, rate_at_most, silence_pace_ms, completed_ms,
    window, window_ms, window_met, window_latency_ms, last, levels,
} }

impl Throughput {
    pub fn new(now_ms: Millis) -> Self {
        Self {
            levels: Span::default(),
            busy: Pace::default(),
            spared: Pace::default(),
            crowded: Pace::default(),
            observed: 0.0,
            expected: 0.0,
            dispersion: 1.0,
            most: 0.0,
            rate: 0.0,
            rate_at_most: 0.0,
            silence_pace_ms: 0.0,
            completed_ms: now_ms,
            window: Pace::default(),
            window_ms: 0.0,
            window_met: 0.0,
            window_latency_ms: 0.0,
            last: Pace::default(),
        }
    }

    /// The time at which a silence began to be longer than the pace explains, ms.
    #[inline]
    fn silent_from_ms(&self, baseline_ms: Millis) -> Millis {
        self.completed_ms + SILENCE.1 * baseline_ms + self.silence_pace_ms
    }

    /// ms of silence that the pace of completions does not explain.
    #[inline]
    pub fn silence_ms(&self, baseline_ms: Millis, now_ms: Millis) -> Millis {
        if self.rate > 0.0 { larger(now_ms - self.silent_from_ms(baseline_ms), 0.0) } else { 0.0 }
    }

    /// The first request of a busy period was admitted: no silence began before it.
    pub fn begin(&mut self, now_ms: Millis) {
        self.completed_ms = now_ms;
    }

    /// From `last_ms` to `now_ms` there were `n` in flight, of which `knee` keep every server at work. The ms that count.
    #[inline]
    pub fn pass(&mut self, n: f64, knee: f64, baseline_ms: Millis, last_ms: Millis, now_ms: Millis) -> Millis {
        let mut counted_ms = now_ms - last_ms;
        if self.rate > 0.0 {
            let explained_ms = self.silent_from_ms(baseline_ms) - last_ms;
            counted_ms = smaller(larger(explained_ms, 0.0), counted_ms);
        }
        self.window.time_ms += counted_ms;
        self.levels.at(octave(n)).time_ms += counted_ms as f32;
        if n + 1.0 > knee {
            self.busy.time_ms += counted_ms;
            if n > CROWDED_KNEES * knee {
                // A silence counts for twice as long: a fall that lets nothing be completed shows in nothing else.
                let explained_ms = 2.0 * self.silent_from_ms(baseline_ms) - self.completed_ms - last_ms;
                self.crowded.time_ms += explained_ms.max(0.0).min(now_ms - last_ms);
            }
        } else {
            self.crowded = Pace::default();
        }
        counted_ms
    }

    /// One of `n` in flight was completed, `latency_ms` after it had met `met`.
    #[inline]
    pub fn complete(&mut self, n: f64, met: f64, latency_ms: Millis, knee: f64, now_ms: Millis) {
        self.completed_ms = now_ms;
        self.window.completions += 1.0;
        self.window_met += met;
        self.window_latency_ms += latency_ms;
        self.window_ms = self.window.time_ms;
        self.levels.at(octave(n)).completions += 1.0;
        if n + 1.0 > knee {
            self.busy.complete(larger(3.0 * knee, BUSY_MEMORY));
            if n > CROWDED_KNEES * knee {
                self.crowded.completions += 1.0;
                if self.shortfall() <= 0.0 {
                    self.crowded = Pace::default();
                }
            }
        }
    }

    /// W: the log-likelihood that a crowd halves the rate against that it does at least 0.8·M.
    #[inline]
    pub fn shortfall(&self) -> f64 {
        let Pace { completions, time_ms } = self.crowded;
        LEAST_SHARE * (1.0 - FALLEN) * self.most * time_ms - FALLEN.recip().ln() * completions
    }

    /// By how much μ at most is more than as it is measured, where it has been measured for long.
    pub fn doubt(&self) -> f64 {
        if self.busy.completions >= BUSY_MEMORY { self.rate_at_most - self.rate } else { 0.0 }
    }

    /// The mean work in flight that the completions of the present window had met, and their mean latency, ms.
    pub fn window_means(&self) -> (f64, Millis) {
        (self.window_met / self.counted(), self.window_latency_ms / self.counted())
    }

    /// Completions in the present window.
    pub fn counted(&self) -> f64 {
        self.window.completions
    }

    /// Has the window seen enough to be judged?
    #[inline]
    pub fn is_telling(&self, span_ms: Millis, deadline_ms: Millis) -> bool {
        let Pace { completions, time_ms } = self.window;
        (completions >= 16.0 && time_ms >= span_ms)
            || (completions >= 4.0 && time_ms >= larger(span_ms, deadline_ms / 4.0))
    }

    /// Was what the window completed done before it?
    fn is_release(&self, window: Pace, baseline_ms: Millis) -> bool {
        let took_ms = self.window_latency_ms;
        took_ms > RELEASED.0 * baseline_ms * window.completions
            && window.completions * took_ms > RELEASED.1 * self.window_met * window.time_ms
    }

    /// Takes back what a window that ended with `n` in flight added.
    fn ignore(&mut self, window: Pace, n: f64) {
        let levels = self.levels.within(octave(n), octave(n + window.completions));
        let completions: f32 = levels.iter().map(|level| level.completions).sum();
        let time_ms: f32 = levels.iter().map(|level| level.time_ms).sum();
        let rest = |of: f32, all: f64| (1.0 - all as f32 / of).max(0.0);
        for level in levels {
            level.completions *= rest(completions, window.completions);
            level.time_ms *= rest(time_ms, window.time_ms);
        }
        self.busy.completions = (self.busy.completions - window.completions).max(0.0);
        self.busy.time_ms = (self.busy.time_ms - window.time_ms).max(0.0);
    }

    /// A window is over, at its last completion, with `n` in flight; `busy`: every server had work throughout; `limited`: no more are
    /// in flight because a limit holds, so that what is not met is not refuted, while μ is near M.
    pub fn close(&mut self, n: f64, busy: bool, limited: bool, baseline_ms: Millis) {
        let window = Pace { completions: self.window.completions, time_ms: self.window_ms };
        self.window = Pace { completions: 0.0, time_ms: self.window.time_ms - self.window_ms };
        self.window_ms = 0.0;
        let is_release = self.is_release(window, baseline_ms);
        (self.window_met, self.window_latency_ms) = (0.0, 0.0);
        if is_release {
            self.ignore(window, n);
            self.read(baseline_ms);
            return;
        }
        let total: f32 = self.levels.cells().map(|(_, level)| level.completions).sum();
        if total > LEVEL_MEMORY {
            let keep = LEVEL_MEMORY / total;
            let met = if limited && self.rate > NEAR_MOST * self.most { octave(n) } else { OCTAVES - 1 };
            for level in self.levels.within(0, met) {
                level.completions *= keep;
                level.time_ms *= keep;
            }
        }
        if self.busy.completions >= BUSY_SAMPLES {
            if busy {
                self.look_for_change(window);
            } else {
                self.look_for_more(window);
            }
        }
        self.read(baseline_ms);
    }

    /// Takes completions while servers idled for the least that they can do.
    fn look_for_more(&mut self, window: Pace) {
        self.spared.completions += window.completions;
        self.spared.time_ms += window.time_ms;
        let Pace { completions, time_ms } = self.spared;
        let deviation = (completions * self.dispersion.clamp(1.0, SPARED_DISPERSION)).sqrt();
        let is_more = completions - MORE_DEVIATIONS * deviation > self.busy.rate() * time_ms;
        if is_more {
            self.busy = self.spared;
        }
        // A lower rate before says nothing against a higher one from now on.
        if is_more || completions > BUSY_MEMORY || completions < self.busy.rate() * time_ms {
            self.spared = Pace::default();
        }
    }

    fn look_for_change(&mut self, window: Pace) {
        let expected = self.busy.rate() * window.time_ms;
        if expected <= 0.0 {
            return;
        }
        let keep = CHANGE_MEMORY / (CHANGE_MEMORY + expected);
        self.observed = self.observed * keep + window.completions;
        self.expected = self.expected * keep + expected;
        let off = self.observed - self.expected;
        let variance = self.observed.max(self.expected) * self.dispersion;
        if off * off > CHANGE_DEVIATIONS * CHANGE_DEVIATIONS * variance {
            let time_ms = self.expected / self.busy.rate();
            self.busy = Pace { completions: self.observed.max(BUSY_SAMPLES), time_ms };
            (self.observed, self.expected) = (0.0, 0.0);
        }
        self.look_for_spread(window);
    }

    /// The distance of one window from the next is spread; the distance of both from what was known is a change.
    fn look_for_spread(&mut self, window: Pace) {
        let last = std::mem::replace(&mut self.last, window);
        let rate = (last.completions + window.completions) / (last.time_ms + window.time_ms);
        let off = window.rate() - last.rate();
        if last.time_ms > 0.0 && window.time_ms > 0.0 {
            let seen = off * off / (rate * (1.0 / last.time_ms + 1.0 / window.time_ms));
            self.dispersion += (seen.clamp(DISPERSION.0, DISPERSION.1) - self.dispersion) * DISPERSION_GAIN;
        }
    }

    /// Forgets evidence of more than `rate` completions a ms: the route can't do that any more.
    pub fn forget_above(&mut self, rate: f64, baseline_ms: Millis) {
        for level in self.levels.within(0, OCTAVES - 1) {
            if f64::from(level.completions) > rate * f64::from(level.time_ms) {
                *level = Level::default();
            }
        }
        self.busy = Pace { completions: BUSY_SAMPLES, time_ms: BUSY_SAMPLES / rate };
        self.crowded = Pace::default();
        self.read(baseline_ms);
    }

    /// A rate as a lower confidence bound, completions a ms.
    fn at_least(&self, completions: f64, time_ms: Millis) -> f64 {
        (completions - (completions * self.dispersion.max(0.5)).sqrt()) / time_ms
    }

    fn read(&mut self, baseline_ms: Millis) {
        let (mut completions, mut time_ms) = (0.0, 0.0);
        self.most = 0.0;
        for (_, level) in self.levels.cells().rev() {
            completions += f64::from(level.completions);
            time_ms += f64::from(level.time_ms);
            if completions >= LEVEL_SAMPLES && time_ms > 0.0 {
                self.most = self.most.max(self.at_least(completions, time_ms));
            }
            // More in flight may slow the route down: the level by itself, where enough was seen of it.
            let (completions, time_ms) = (f64::from(level.completions), f64::from(level.time_ms));
            if completions >= 2.0 * LEVEL_SAMPLES && time_ms > baseline_ms {
                self.most = self.most.max(self.at_least(completions, time_ms));
            }
        }
        (self.rate, self.rate_at_most) = if self.busy.completions >= BUSY_SAMPLES && self.busy.time_ms > 0.0 {
            let error = (self.busy.completions * self.dispersion).sqrt();
            (self.busy.rate(), (self.busy.completions + error) / self.busy.time_ms)
        } else {
            (self.most, self.most)
        };
        self.silence_pace_ms = SILENCE.0 / self.rate;
        // Without the evidence that was forgotten, the present rate is left.
        if self.most == 0.0 {
            self.most = self.rate;
        }
    }
}
