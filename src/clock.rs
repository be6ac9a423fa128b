//! Monotonic time in ms. The laws never read it: time is an argument everywhere below the engine's callers.

/// A monotonic clock whose zero is the Unix epoch as it was believed to be when the clock was made, so that states
/// written by one process mean something to the next, and a wall clock that jumps changes nothing.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    origin: Precise,
    coarse_origin: coarsetime::Instant,
    epoch_ms: crate::units::Millis,
    coarse_epoch_ms: crate::units::Millis,
}

#[cfg(not(target_family = "wasm"))]
impl MonotonicClock {
    /// A clock anchored to the wall clock's present reading.
    #[must_use]
    pub fn new() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let epoch_ms = since_epoch.map_or(0.0, |d| d.as_secs_f64() * 1e3);
        Self {
            origin: Precise::now(),
            coarse_origin: coarsetime::Instant::now(),
            epoch_ms,
            coarse_epoch_ms: epoch_ms.floor(),
        }
    }

    /// ms since the epoch, to the resolution of the hardware. Measures latencies.
    #[inline]
    #[must_use]
    pub fn precise_ms(&self) -> crate::units::Millis {
        self.epoch_ms + self.origin.elapsed_ns() as f64 * 1e-6
    }

    /// Whole ms since the epoch, behind the precise reading by the kernel's timer tick (1 to 4 ms on Linux) at most, for a
    /// sixth of its cost. Times the ticks of the open loop: they are told apart by ms, so that two readings taken
    /// microseconds apart don't pass for a route that worsens in microseconds.
    #[must_use]
    pub fn coarse_ms(&self) -> crate::units::Millis {
        let now = coarsetime::Instant::now_without_cache_update();
        self.coarse_epoch_ms + now.duration_since(self.coarse_origin).as_millis() as f64
    }
}

#[cfg(not(target_family = "wasm"))]
impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

/// A reading of the most precise clock that never goes back.
#[cfg(not(any(target_family = "wasm", target_os = "linux")))]
#[derive(Debug, Clone, Copy)]
struct Precise(std::time::Instant);

#[cfg(not(any(target_family = "wasm", target_os = "linux")))]
impl Precise {
    fn now() -> Self {
        Self(std::time::Instant::now())
    }

    #[inline]
    fn elapsed_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A reading of the most precise clock that never goes back, ns. The standard library's reads the same one, and takes a fifth
/// longer over it: it splits the time into seconds and the rest, and checks both.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct Precise(u64);

#[cfg(target_os = "linux")]
impl Precise {
    #[inline]
    #[allow(unsafe_code, reason = "a call of the system's library")]
    fn now() -> Self {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes to `now` alone. Every Linux has this clock; where the call failed, `now` would stay 0.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        Self(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    #[inline]
    fn elapsed_ns(self) -> u64 {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The same where the platform has no clock of its own: the host's, as a function that gives ms since the Unix epoch.
#[cfg(target_family = "wasm")]
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    host_ms: fn() -> crate::units::Millis,
}

#[cfg(target_family = "wasm")]
impl MonotonicClock {
    /// The host's clock.
    #[must_use]
    pub fn new(host_ms: fn() -> crate::units::Millis) -> Self {
        Self { host_ms }
    }

    /// ms since the epoch, as finely as the host tells them.
    #[must_use]
    pub fn precise_ms(&self) -> crate::units::Millis {
        (self.host_ms)()
    }

    /// Whole ms since the epoch.
    #[must_use]
    pub fn coarse_ms(&self) -> crate::units::Millis {
        (self.host_ms)().floor()
    }
}

/// Times further from the Unix epoch than this are none, ms: sums and differences of two must stay exact.
const MOST_MS: crate::units::Millis = 9_007_199_254_740_992.0;

/// The present, as a caller gave it or as the clock has it: read only when asked for, and only as precisely.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    given_ms: crate::units::Millis,
    clock: MonotonicClock,
}

impl Now {
    /// NaN, and what is no time: whatever `clock` says.
    #[must_use]
    pub fn new(given_ms: crate::units::Millis, clock: MonotonicClock) -> Self {
        let given_ms = if given_ms.abs() <= MOST_MS { given_ms } else { f64::NAN };
        Self { given_ms, clock }
    }

    /// For the open loop.
    #[inline]
    #[must_use]
    pub fn coarse_ms(&self) -> crate::units::Millis {
        if self.given_ms.is_nan() { self.clock.coarse_ms() } else { self.given_ms }
    }

    /// For the closed loop, which measures latencies.
    #[inline]
    #[must_use]
    pub fn precise_ms(&self) -> crate::units::Millis {
        if self.given_ms.is_nan() { self.clock.precise_ms() } else { self.given_ms }
    }
}
