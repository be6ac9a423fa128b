//! The search for a limit that is too low: raise it for a while, and see whether answers come faster rather than later.

use crate::units::Millis;

/// While the limit binds it is probed upwards by PROBE_GAIN once every PROBE_EVERY windows, for one window and the PROBE_WINDOWS it is judged by …
const PROBE_GAIN: f64 = 1.3;
const PROBE_EVERY: u32 = 15;
const PROBE_WINDOWS: u32 = 3;
/// Standard deviations of a window's rate that a rise must exceed.
const PROBE_CERTAINTY: f64 = 1.6;
/// … and was too low when the rate followed by more than this share, and latency by less.
const PROBE_RATE_UP: f64 = 1.18;
const PROBE_LATENCY_UP: f64 = 1.05;

/// How much a window counts in what the probe is compared with.
const REFERENCE_GAIN: f64 = 0.3;

/// The search for a limit that is too low.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Probe {
    /// Windows since the last probe ended.
    windows: u32,
    /// Rate and latency as they are without a probe, and sums of them during one.
    rate: f64,
    latency: Millis,
    rate_sum: f64,
    latency_sum: Millis,
}

impl Probe {
    /// Takes note of a window in which the limit was binding. Some: a probe just ended, and says whether it was too low.
    /// `noise` is the standard deviation of a window's rate, as a share of it.
    pub(super) fn absorb(&mut self, rate: f64, latency: Millis, noise: f64) -> Option<bool> {
        self.windows += 1;
        if self.windows <= PROBE_EVERY {
            let gain = if self.rate > 0.0 { REFERENCE_GAIN } else { 1.0 };
            self.rate += (rate - self.rate) * gain;
            self.latency += (latency - self.latency) * gain;
            return None;
        }
        // The first window of a probe still holds what was admitted before it.
        if self.windows == PROBE_EVERY + 1 {
            return None;
        }
        self.rate_sum += rate;
        self.latency_sum += latency;
        if self.windows <= PROBE_EVERY + PROBE_WINDOWS {
            return None;
        }
        let counted = f64::from(PROBE_WINDOWS);
        let (rate, latency) = (self.rate_sum / counted, self.latency_sum / counted);
        let rate_up = PROBE_RATE_UP.max(1.0 + PROBE_CERTAINTY * noise);
        let too_low = rate > rate_up * self.rate && latency < PROBE_LATENCY_UP * self.latency;
        *self = Self { windows: if too_low { PROBE_EVERY } else { 0 }, rate, latency, ..Self::default() };
        Some(too_low)
    }

    /// What the limit is multiplied by.
    pub(super) fn gain(&self) -> f64 {
        if self.windows >= PROBE_EVERY { PROBE_GAIN } else { 1.0 }
    }
}
