//! A fleet: routes by number that tick together, kept as columns that the caller owns and reads.
//!
//! The laws and their bits are those of a route's own tick. What is the same for all, time and the number of ticks, is kept once, so
//! that a tick moves half the bytes that as many routes in a table take.

use crate::{
    physics::{
        columns::{Before, Law, load, mask_of, settle_in, store, tick_in},
        math::{exp, larger},
        mode::Mode,
        params::{RouteParams, TunerParams},
        pressure::Sample,
        resistance::{bootstrap_resistance, resistance},
        scar::settle,
        tick::{Override, RouteState},
        tuner::Moments,
    },
    simd::{InstructionSet, Kernel, LANES, Lanes},
    units::Millis,
};

/// Columns of a fleet, each a number a route: P (three), M, S, R, μ, σ², and the time at which the breaker opened, ms.
pub const COLUMNS: usize = 9;
/// Numbers of a reading: latency, error rate, saturation.
pub const READINGS: usize = 3;

/// The state that all routes of a fleet share.
///
/// ```
/// use atrion::engine::FleetClock;
///
/// assert!(FleetClock::default().last_updated_ms.is_nan(), "it never ticked");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FleetClock {
    /// Ticks so far.
    pub ticks: u32,
    /// The time of the last tick or sweep, ms, to which the scars have decayed; NaN before the first tick.
    pub last_updated_ms: Millis,
    /// The time of the last tick, ms, from which the momentum of the next counts; NaN before the first.
    pub ticked_ms: Millis,
    /// Readings with a component that was noise, of all routes.
    pub rejected_samples: u64,
}

impl Default for FleetClock {
    fn default() -> Self {
        Self { ticks: 0, last_updated_ms: f64::NAN, ticked_ms: f64::NAN, rejected_samples: 0 }
    }
}

/// The columns of a fleet, where the caller keeps them.
///
/// ```
/// use atrion::{
///     engine::{FLEET_COLUMNS, Fleet, FleetClock},
///     physics::params::RouteParams,
///     simd::InstructionSet,
/// };
///
/// let params = RouteParams::default();
/// let (mut cells, mut modes) = (vec![0.0; FLEET_COLUMNS * 5], vec![0; 5]);
/// let mut fleet = Fleet::new(&mut cells, &mut modes).expect("as many cells as five routes take");
/// fleet.clear(&params);
/// let mut clock = FleetClock::default();
/// let readings = [20.0, 0.0, 0.1].repeat(5);
/// for i in 0..10 {
///     fleet.tick(&mut clock, &readings, &params, f64::from(i) * 100.0, InstructionSet::best());
/// }
/// assert_eq!((clock.ticks, modes), (10, vec![1; 5]));
/// ```
#[derive(Debug)]
pub struct Fleet<'a> {
    columns: [&'a mut [f64]; COLUMNS],
    modes: &'a mut [u8],
}

impl<'a> Fleet<'a> {
    /// A fleet of as many routes as there are modes. None unless there are `COLUMNS` cells for each.
    pub fn new(cells: &'a mut [f64], modes: &'a mut [u8]) -> Option<Self> {
        let size = modes.len();
        if cells.len() != size.checked_mul(COLUMNS)? {
            return None;
        }
        let mut rest = cells;
        let columns = std::array::from_fn(|_| {
            let (column, others) = std::mem::take(&mut rest).split_at_mut(size);
            rest = others;
            column
        });
        Some(Self { columns, modes })
    }

    /// Makes every route one without measurements.
    pub fn clear(&mut self, params: &RouteParams) {
        for column in &mut self.columns {
            column.fill(0.0);
        }
        self.columns[5].fill(bootstrap_resistance(params));
        self.modes.fill(Mode::Bootstrap as u8);
    }

    /// One tick of every route. `readings` holds `READINGS` numbers a route, read at `now_ms`; a route without one stays as it is. A time
    /// before that of the last tick or sweep counts as that.
    pub fn tick(
        &mut self,
        clock: &mut FleetClock,
        readings: &[f64],
        params: &RouteParams,
        now_ms: Millis,
        set: InstructionSet,
    ) {
        if clock.last_updated_ms.is_nan() {
            (clock.last_updated_ms, clock.ticked_ms) = (now_ms, now_ms);
        }
        let now_ms = larger(now_ms, clock.last_updated_ms);
        let (readings, _) = readings.as_chunks::<READINGS>();
        // R's seen before: all but those of the ticks that led out of BOOTSTRAP.
        let observed = clock.ticks.saturating_sub(params.bootstrap_ticks.max(1));
        let vectors = match &params.tuner {
            Some(tuner) if observed > 0 => {
                let fleet = &mut *self;
                set.run(TickFleet { fleet, clock, readings, params, tuner, observed, now_ms })
            }
            _ => 0,
        };
        for (at, reading) in readings.iter().enumerate().take(self.modes.len()).skip(vectors) {
            self.tick_alone(clock, at, *reading, params, observed, now_ms);
        }
        clock.ticks = clock.ticks.saturating_add(1);
        (clock.last_updated_ms, clock.ticked_ms) = (now_ms, now_ms);
    }

    /// Time passes to `now_ms` without readings: every scar decays, and R follows. Nothing happens before the first tick, and the next tick
    /// moves every route as it would have without the sweep, but for the last bits of its scar.
    ///
    /// ```
    /// use atrion::{
    ///     engine::{FLEET_COLUMNS, Fleet, FleetClock},
    ///     physics::params::RouteParams,
    ///     simd::InstructionSet,
    /// };
    ///
    /// let params = RouteParams::default();
    /// let (mut cells, mut modes) = (vec![0.0; FLEET_COLUMNS], vec![0]);
    /// let mut fleet = Fleet::new(&mut cells, &mut modes).expect("as many cells as one route takes");
    /// let mut clock = FleetClock::default();
    /// for i in 0..10 {
    ///     fleet.tick(&mut clock, &[5000.0, 1.0, 1.0], &params, f64::from(i) * 100.0, InstructionSet::best());
    /// }
    /// fleet.sweep(&mut clock, &params, 900.0 + 1e6, InstructionSet::best());
    /// assert_eq!((cells[4], clock.ticks), (0.0, 10), "the scar is gone, and no tick was counted");
    /// ```
    pub fn sweep(&mut self, clock: &mut FleetClock, params: &RouteParams, now_ms: Millis, set: InstructionSet) {
        if clock.last_updated_ms.is_nan() {
            return;
        }
        let decay = exp(-params.decay_per_ms * larger(now_ms - clock.last_updated_ms, 0.0));
        let vectors = match &params.tuner {
            Some(tuner) => set.run(SweepFleet { fleet: &mut *self, params, tuner, decay }),
            None => 0,
        };
        for at in vectors..self.modes.len() {
            self.decay_alone(at, decay, params);
        }
        clock.last_updated_ms = larger(now_ms, clock.last_updated_ms);
    }

    /// The scar of one route decays, and its R follows.
    fn decay_alone(&mut self, at: usize, decay: f64, params: &RouteParams) {
        let [p0, p1, p2, momentum, scar, resisted, ..] = &mut self.columns;
        scar[at] = settle(scar[at] * decay);
        if self.modes[at] != Mode::Bootstrap as u8 {
            resisted[at] = resistance([p0[at], p1[at], p2[at]], momentum[at], scar[at], params);
        }
    }

    /// One tick of one route, by the law of a route's own.
    fn tick_alone(
        &mut self,
        clock: &mut FleetClock,
        at: usize,
        [latency_ms, error_rate, saturation]: [f64; READINGS],
        params: &RouteParams,
        observed: u32,
        now_ms: Millis,
    ) {
        let [p0, p1, p2, momentum, scar, resistance, mean, variance, recovery] = &mut self.columns;
        let pressure = [p0[at], p1[at], p2[at]];
        let mut state = RouteState {
            pressure,
            previous_pressure: pressure,
            momentum: momentum[at],
            resistance: resistance[at],
            scar: scar[at],
            last_updated_ms: clock.ticked_ms,
            recovery_started_ms: recovery[at],
            moments: Moments { mean: mean[at], variance: variance[at] },
            moments_count: observed,
            ticks: clock.ticks,
            rejected_samples: 0,
            params_id: 0,
            mode: Mode::from_index(self.modes[at]).unwrap_or(Mode::Bootstrap),
            manual: Override::None,
        };
        let sample = Sample { latency_ms, error_rate, saturation };
        let tick = state.tick_decayed(params, &sample, now_ms, clock.last_updated_ms);
        clock.rejected_samples += u64::from(tick.rejected);
        [p0[at], p1[at], p2[at]] = state.pressure;
        (momentum[at], scar[at], resistance[at]) = (state.momentum, state.scar, state.resistance);
        (mean[at], variance[at]) = (state.moments.mean, state.moments.variance);
        recovery[at] = state.recovery_started_ms;
        self.modes[at] = state.mode as u8;
    }
}

/// Ticks a fleet in its columns, four routes a vector; the number of routes that it ticked: a few may be left over.
struct TickFleet<'a, 'b> {
    fleet: &'a mut Fleet<'b>,
    clock: &'a mut FleetClock,
    readings: &'a [[f64; READINGS]],
    params: &'a RouteParams,
    tuner: &'a TunerParams,
    observed: u32,
    now_ms: Millis,
}

impl Kernel for TickFleet<'_, '_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { fleet, clock, readings, params, tuner, observed, now_ms } = self;
        let law = Law::<L>::new(params, tuner);
        let delta_t_ms = L::splat(now_ms - clock.ticked_ms);
        let decay = law.decay(L::splat(now_ms - clock.last_updated_ms));
        let is_warm = L::splat(mask_of(observed.saturating_add(1) >= tuner.warmup_ticks));
        let count = fleet.modes.len().min(readings.len()) / LANES * LANES;
        let mut rejected = 0;
        for at in (0..count).step_by(LANES) {
            let Some(modes) = fleet.modes[at..].first_chunk::<LANES>().copied() else { break };
            let Some(rows) = readings[at..].first_chunk::<LANES>() else { break };
            if modes.iter().any(|&mode| mode != Mode::Operational as u8 && mode != Mode::CircuitBreaker as u8) {
                for (lane, row) in rows.iter().enumerate() {
                    fleet.tick_alone(clock, at + lane, *row, params, observed, now_ms);
                }
                continue;
            }
            let [p0, p1, p2, momentum, scar, resistance, mean, variance, recovery] = &mut fleet.columns;
            let is_open = L::from_array(modes.map(|mode| mask_of(mode == Mode::CircuitBreaker as u8)));
            let before = Before {
                pressure: [load(p0, at), load(p1, at), load(p2, at)],
                scar: load(scar, at),
                mean: load(mean, at),
                variance: load(variance, at),
                is_open,
                is_warm,
                delta_t_ms,
                decay,
                sample: [0, 1, 2].map(|i| L::from_array(rows.map(|row| row[i]))),
            };
            let after = tick_in(&law, &before);
            store(p0, at, after.pressure[0]);
            store(p1, at, after.pressure[1]);
            store(p2, at, after.pressure[2]);
            store(momentum, at, after.momentum);
            store(scar, at, after.scar);
            store(resistance, at, after.resistance);
            store(mean, at, after.mean);
            store(variance, at, after.variance);
            rejected += (!after.usual.bits() & 0xf).count_ones();
            let (were_open, are_open) = (is_open.bits(), after.is_open.bits());
            if were_open != are_open {
                for lane in 0..LANES {
                    let opens = are_open >> lane & 1 != 0;
                    fleet.modes[at + lane] = if opens { Mode::CircuitBreaker } else { Mode::Operational } as u8;
                    if opens && were_open >> lane & 1 == 0 {
                        recovery[at + lane] = now_ms;
                    }
                }
            }
        }
        clock.rejected_samples += u64::from(rejected);
        count
    }
}

/// The scars of a fleet decay in its columns, four routes a vector; the number of routes so done: a few may be left over.
struct SweepFleet<'a, 'b> {
    fleet: &'a mut Fleet<'b>,
    params: &'a RouteParams,
    tuner: &'a TunerParams,
    decay: f64,
}

impl Kernel for SweepFleet<'_, '_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { fleet, params, tuner, decay } = self;
        let law = Law::<L>::new(params, tuner);
        let decays = L::splat(decay);
        let count = fleet.modes.len() / LANES * LANES;
        for at in (0..count).step_by(LANES) {
            if fleet.modes[at..at + LANES].contains(&(Mode::Bootstrap as u8)) {
                for lane in 0..LANES {
                    fleet.decay_alone(at + lane, decay, params);
                }
                continue;
            }
            let [p0, p1, p2, momentum, scar, resistance, ..] = &mut fleet.columns;
            let decayed = settle_in(load::<L>(scar, at).mul(decays));
            let pressure = [load(p0, at), load(p1, at), load(p2, at)];
            store(scar, at, decayed);
            store(resistance, at, law.resistance(pressure, load(momentum, at), decayed));
        }
        count
    }
}
