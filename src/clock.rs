//! Monotonic time in ms. The laws never read it: time is an argument everywhere below the engine's callers.

/// A monotonic clock whose zero is the Unix epoch as it was believed to be when the clock was made, so that states
/// written by one process mean something to the next, and a wall clock that jumps changes nothing.
///
/// ```
/// use atrion::clock::MonotonicClock;
///
/// let clock = MonotonicClock::new();
/// let before_ms = clock.precise_ms();
/// assert!(clock.precise_ms() >= before_ms);
/// assert_eq!(clock.coarse_ms().fract(), 0.0);
/// ```
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    read_ns: fn() -> u64,
    origin_ns: u64,
    coarse_origin: coarsetime::Instant,
    epoch_ms: crate::units::Millis,
    coarse_epoch_ms: crate::units::Millis,
}

#[cfg(not(target_family = "wasm"))]
impl MonotonicClock {
    /// A clock over the standard library's [`std::time::Instant`], anchored to the wall clock's present reading.
    #[must_use]
    pub fn new() -> Self {
        Self::over(instant_ns)
    }

    /// A clock over `read_ns`, a reading in ns that never goes back, anchored to the wall clock's present reading. A binding may
    /// know a faster reading than the standard library's.
    #[must_use]
    pub fn over(read_ns: fn() -> u64) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let epoch_ms = since_epoch.map_or(0.0, |d| d.as_secs_f64() * 1e3);
        Self {
            read_ns,
            origin_ns: read_ns(),
            coarse_origin: coarsetime::Instant::now(),
            epoch_ms,
            coarse_epoch_ms: epoch_ms.floor(),
        }
    }

    /// ms since the epoch, to the resolution of the hardware. Measures latencies.
    #[inline]
    #[must_use]
    pub fn precise_ms(&self) -> crate::units::Millis {
        let since_ns = (self.read_ns)().saturating_sub(self.origin_ns);
        // Centuries in ns fit into 63 bits, and processors convert signed numbers in one instruction.
        self.epoch_ms + since_ns as i64 as f64 * 1e-6
    }

    /// Whole ms since the epoch, behind the precise reading by the kernel's timer tick (1 to 4 ms on Linux) at most, for a
    /// sixth of its cost. Times the ticks of the open loop: they are distinguished by ms, so that two readings taken
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

/// ns since this was first read, of the standard library's most precise clock that never goes back.
#[cfg(not(target_family = "wasm"))]
fn instant_ns() -> u64 {
    static ORIGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    ORIGIN.elapsed().as_nanos() as u64
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
///
/// ```
/// use atrion::clock::{MonotonicClock, Now};
///
/// let clock = MonotonicClock::new();
/// assert_eq!(Now::new(1234.5, clock).precise_ms(), 1234.5);
/// assert!(Now::new(f64::NAN, clock).precise_ms() > 1234.5, "the clock's time");
/// ```
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
