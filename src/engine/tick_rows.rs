//! Ticks of rows four at once, a route a lane, as long as nothing about the four is rare.
//!
//! States lie route by route, so that a request finds its route in two cache lines. A batch gathers the numbers of four routes into
//! vectors, ticks those, and puts them back. Columns in memory between the two, of 32 routes at once, were tried: to write and read them
//! took as many instructions as the tick.

use super::{Row, ids::Slot, lru::Run, routes::Table};
use crate::{
    physics::{
        columns::{Before, Law, mask_of, tick_in},
        math::larger,
        mode::Mode,
        params::{RouteParams, TunerParams},
        pressure::Sample,
        tick::{RouteState, Tick},
    },
    simd::{Kernel, LANES, Lanes},
    units::Millis,
};

/// The bits of all lanes.
const ALL: u8 = (1 << LANES) - 1;

/// The rows of a batch, where a caller keeps them.
pub trait Rows {
    /// The number of rows.
    fn count(&self) -> usize;
    /// The slot of a row's route, and its reading.
    fn read(&self, row: usize) -> (Slot, Sample);
    /// Takes the result of a row. None when the slot can't be trusted: the route was evicted, intern it again.
    fn write(&mut self, row: usize, result: Option<Row>);
}

/// Four routes after a tick, in memory order.
struct Ticked {
    now_ms: Millis,
    delta_t_ms: [f64; LANES],
    pressure: [[f64; LANES]; 3],
    momentum: [f64; LANES],
    scar: [f64; LANES],
    resistance: [f64; LANES],
    mean: [f64; LANES],
    variance: [f64; LANES],
    usual: u8,
    opens: u8,
}

impl Ticked {
    /// Moves a route's state to what its lane has become; the result of its row. `stays`: all four were and are OPERATIONAL, and their
    /// readings had no noise.
    #[inline(always)]
    fn finish<const LANE: usize>(&self, stays: bool, state: &mut RouteState) -> Row {
        state.ticks = state.ticks.saturating_add(1);
        state.previous_pressure = state.pressure;
        state.pressure = [self.pressure[0][LANE], self.pressure[1][LANE], self.pressure[2][LANE]];
        state.momentum = self.momentum[LANE];
        state.scar = self.scar[LANE];
        state.resistance = self.resistance[LANE];
        state.moments.mean = self.mean[LANE];
        state.moments.variance = self.variance[LANE];
        state.moments_count = state.moments_count.saturating_add(1);
        state.last_updated_ms = larger(self.now_ms, state.last_updated_ms);
        let delta_t_ms = self.delta_t_ms[LANE];
        if stays {
            let tick = Tick { mode_before: Mode::Operational, delta_t_ms, rejected: false };
            return Row { resistance: self.resistance[LANE], mode: Mode::Operational, tick, first_rejected: false };
        }
        let has = |bits: u8| bits >> LANE & 1 != 0;
        let (mode_before, rejected) = (state.mode, !has(self.usual));
        state.rejected_samples = state.rejected_samples.saturating_add(u32::from(rejected));
        state.mode = if has(self.opens) { Mode::CircuitBreaker } else { Mode::Operational };
        if state.mode == Mode::CircuitBreaker && mode_before != state.mode {
            state.recovery_started_ms = state.last_updated_ms;
        }
        let tick = Tick { mode_before, delta_t_ms, rejected };
        let first_rejected = rejected && state.rejected_samples == 1;
        Row { resistance: state.resistance, mode: state.mode, tick, first_rejected }
    }
}

/// A number of four routes.
#[inline(always)]
fn gather<L: Lanes>(states: [&RouteState; LANES], number: impl Fn(&RouteState) -> f64) -> L {
    L::from_array(states.map(number))
}

/// The mask of those of four routes for which it holds.
#[inline(always)]
fn gather_mask<L: Lanes>(states: [&RouteState; LANES], holds: impl Fn(&RouteState) -> bool) -> L {
    gather(states, |state| mask_of(holds(state)))
}

/// Ticks rows four at once, from `from` to before `end`, as long as nothing about them is rare and they have one law; the row that is next.
pub(super) struct TickRows<'a, R> {
    pub(super) table: &'a mut Table,
    pub(super) rows: &'a mut R,
    pub(super) from: usize,
    pub(super) end: usize,
    pub(super) params_id: u16,
    pub(super) params: &'a RouteParams,
    pub(super) tuner: &'a TunerParams,
    pub(super) now_ms: Millis,
}

impl<R: Rows> Kernel for TickRows<'_, R> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { table, rows, from, end, params_id, params, tuner, now_ms } = self;
        let law = Law::<L>::new(params, tuner);
        let (now, zero) = (L::splat(now_ms), L::splat(0.0));
        let mut run = Run::default();
        let mut next = from;
        while next + LANES <= end {
            let [a, b, c, d] = [0, 1, 2, 3].map(|lane| rows.read(next + lane));
            let slots = [a.0, b.0, c.0, d.0];
            let found = (table.alone(a.0), table.alone(b.0), table.alone(c.0), table.alone(d.0));
            let (Some(e), Some(f), Some(g), Some(h)) = found else { break };
            let states = [e.0, f.0, g.0, h.0];
            let is_usual = |state: &RouteState| {
                state.mode == Mode::Operational
                    && state.moments_count >= tuner.warmup_ticks.max(1)
                    && state.params_id == params_id
            };
            let is_rare = |state: &RouteState| {
                state.mode == Mode::Bootstrap || state.moments_count == 0 || state.params_id != params_id
            };
            let are_usual = is_usual(e.0) & is_usual(f.0) & is_usual(g.0) & is_usual(h.0);
            if !are_usual && states.iter().any(|state| is_rare(state)) {
                break;
            }
            let follows = run.takes(slots, [e.1, f.1, g.1, h.1]);
            let is_twice = a.0 == b.0 || a.0 == c.0 || a.0 == d.0 || b.0 == c.0 || b.0 == d.0 || c.0 == d.0;
            if !follows && is_twice {
                break;
            }
            let (is_open, is_warm) = if are_usual {
                (zero, L::splat(mask_of(true)))
            } else {
                (
                    gather_mask(states, |state| state.mode == Mode::CircuitBreaker),
                    gather_mask(states, |state| state.moments_count.saturating_add(1) >= tuner.warmup_ticks),
                )
            };
            let samples = [&a.1, &b.1, &c.1, &d.1];
            let delta_t_ms = now.sub(gather(states, |state| state.last_updated_ms)).larger(zero);
            let before = Before {
                pressure: [0, 1, 2].map(|i| gather(states, |state| state.pressure[i])),
                scar: gather(states, |state| state.scar),
                mean: gather(states, |state| state.moments.mean),
                variance: gather(states, |state| state.moments.variance),
                is_open,
                is_warm,
                delta_t_ms,
                decay: law.decay(delta_t_ms),
                sample: [
                    L::from_array(samples.map(|sample| sample.latency_ms)),
                    L::from_array(samples.map(|sample| sample.error_rate)),
                    L::from_array(samples.map(|sample| sample.saturation)),
                ],
            };
            let after = tick_in(&law, &before);
            let ticked = Ticked {
                now_ms,
                delta_t_ms: delta_t_ms.to_array(),
                pressure: after.pressure.map(L::to_array),
                momentum: after.momentum.to_array(),
                scar: after.scar.to_array(),
                resistance: after.resistance.to_array(),
                mean: after.mean.to_array(),
                variance: after.variance.to_array(),
                usual: after.usual.bits(),
                opens: after.is_open.bits(),
            };
            if !follows {
                for slot in slots {
                    table.lru().touch_later(&mut run, slot);
                }
            }
            let stays = are_usual && ticked.usual == ALL && ticked.opens == 0;
            rows.write(next, Some(ticked.finish::<0>(stays, table.state(a.0))));
            rows.write(next + 1, Some(ticked.finish::<1>(stays, table.state(b.0))));
            rows.write(next + 2, Some(ticked.finish::<2>(stays, table.state(c.0))));
            rows.write(next + 3, Some(ticked.finish::<3>(stays, table.state(d.0))));
            next += LANES;
        }
        table.lru().end_run(&mut run);
        next
    }
}
