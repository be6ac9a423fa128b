//! Ticks of many routes: four a vector where nothing about them is rare, one by one where something is.
//!
//! States lie route by route, so that a request finds its route in two cache lines. A batch gathers the numbers of a few routes into
//! columns, ticks those, and puts them back.

use super::{Handle, Row, ids::Slot, params::ParamsCache, routes::Table};
use crate::{
    physics::{
        columns::{Before, Law, load, mask_of, store, tick_in},
        math::larger,
        mode::Mode,
        params::{RouteParams, TunerParams},
        pressure::Sample,
        tick::{RouteState, Tick},
    },
    simd::{InstructionSet, Kernel, LANES, Lanes},
    units::Millis,
};

/// Routes that are gathered at once: few enough to stay in the first cache.
const CHUNK: usize = 32;
/// Routes that a chunk tells apart: one whose slot has the same rest as another's begins the next chunk.
const RESTS: usize = 128;

/// The rows of a batch, where a caller keeps them.
pub trait Rows {
    /// The number of rows.
    fn count(&self) -> usize;
    /// The slot of a row's route, and its reading.
    fn read(&self, row: usize) -> (Slot, Sample);
    /// Takes the result of a row. None when the slot can't be trusted: the route was evicted, intern it again.
    fn write(&mut self, row: usize, result: Option<Row>);
}

/// A column of a chunk.
type Column = [f64; CHUNK];

/// The numbers of a chunk of routes, by column.
#[derive(Debug)]
struct Chunk {
    slots: [Slot; CHUNK],
    len: usize,
    /// A bit for each rest of a slot that is in the chunk.
    rests: u128,
    params_id: u16,
    pressure: [Column; 3],
    scar: Column,
    mean: Column,
    variance: Column,
    sample: [Column; 3],
    delta_t_ms: Column,
    is_open: Column,
    is_warm: Column,
    momentum: Column,
    resistance: Column,
    usual: [u8; CHUNK / LANES],
    opens: [u8; CHUNK / LANES],
}

impl Default for Chunk {
    fn default() -> Self {
        let zero = [0.0; CHUNK];
        Self {
            slots: [0; CHUNK],
            len: 0,
            rests: 0,
            params_id: 0,
            pressure: [zero; 3],
            scar: zero,
            mean: zero,
            variance: zero,
            sample: [zero; 3],
            delta_t_ms: zero,
            is_open: zero,
            is_warm: zero,
            momentum: zero,
            resistance: zero,
            usual: [0; CHUNK / LANES],
            opens: [0; CHUNK / LANES],
        }
    }
}

impl Chunk {
    fn rest_of(slot: Slot) -> u128 {
        1 << (slot as usize % RESTS)
    }

    /// Returns whether a route may be added.
    #[inline]
    fn takes(&self, slot: Slot, params_id: u16) -> bool {
        self.len < CHUNK && self.rests & Self::rest_of(slot) == 0 && (self.len == 0 || self.params_id == params_id)
    }

    #[inline]
    fn add(&mut self, slot: Slot, state: &RouteState, tuner: &TunerParams, sample: &Sample, now_ms: Millis) {
        let at = self.len % CHUNK;
        self.slots[at] = slot;
        self.rests |= Self::rest_of(slot);
        self.params_id = state.params_id;
        for (column, p) in self.pressure.iter_mut().zip(state.pressure) {
            column[at] = p;
        }
        self.scar[at] = state.scar;
        self.mean[at] = state.moments.mean;
        self.variance[at] = state.moments.variance;
        self.sample[0][at] = sample.latency_ms;
        self.sample[1][at] = sample.error_rate;
        self.sample[2][at] = sample.saturation;
        self.delta_t_ms[at] = larger(now_ms - state.last_updated_ms, 0.0);
        self.is_open[at] = mask_of(state.mode == Mode::CircuitBreaker);
        self.is_warm[at] = mask_of(state.moments_count.saturating_add(1) >= tuner.warmup_ticks);
        self.len += 1;
    }

    /// Moves a route's state by what its columns have become; the result of its row.
    #[inline]
    fn finish(&self, at: usize, state: &mut RouteState, now_ms: Millis) -> Row {
        let has = |bits: &[u8; CHUNK / LANES]| bits[at / LANES] >> (at % LANES) & 1 != 0;
        let mode_before = state.mode;
        let rejected = !has(&self.usual);
        state.ticks = state.ticks.saturating_add(1);
        state.rejected_samples = state.rejected_samples.saturating_add(u32::from(rejected));
        state.previous_pressure = state.pressure;
        state.pressure = [self.pressure[0][at], self.pressure[1][at], self.pressure[2][at]];
        state.momentum = self.momentum[at];
        state.scar = self.scar[at];
        state.resistance = self.resistance[at];
        state.moments.mean = self.mean[at];
        state.moments.variance = self.variance[at];
        state.moments_count = state.moments_count.saturating_add(1);
        state.last_updated_ms = larger(now_ms, state.last_updated_ms);
        state.mode = if has(&self.opens) { Mode::CircuitBreaker } else { Mode::Operational };
        if state.mode == Mode::CircuitBreaker && mode_before != state.mode {
            state.recovery_started_ms = state.last_updated_ms;
        }
        let tick = Tick { mode_before, delta_t_ms: self.delta_t_ms[at], rejected };
        let first_rejected = rejected && state.rejected_samples == 1;
        Row { resistance: state.resistance, mode: state.mode, tick, first_rejected }
    }
}

/// The memory that a handle has for its batches, and their instruction set.
#[derive(Debug)]
pub struct BatchState {
    instruction_set: InstructionSet,
    chunk: Box<Chunk>,
}

impl Default for BatchState {
    fn default() -> Self {
        Self { instruction_set: InstructionSet::best(), chunk: Box::default() }
    }
}

/// Ticks a chunk in its columns.
struct TickChunk<'a> {
    chunk: &'a mut Chunk,
    params: &'a RouteParams,
    tuner: &'a TunerParams,
}

impl Kernel for TickChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { chunk, params, tuner } = self;
        let law = Law::<L>::new(params, tuner);
        for at in (0..chunk.len).step_by(LANES) {
            let delta_t_ms = load::<L>(&chunk.delta_t_ms, at);
            let three = |columns: &[Column; 3]| [0, 1, 2].map(|i| load::<L>(&columns[i], at));
            let before = Before {
                pressure: three(&chunk.pressure),
                scar: load(&chunk.scar, at),
                mean: load(&chunk.mean, at),
                variance: load(&chunk.variance, at),
                is_open: load(&chunk.is_open, at),
                is_warm: load(&chunk.is_warm, at),
                delta_t_ms,
                decay: law.decay(delta_t_ms),
                sample: three(&chunk.sample),
            };
            let after = tick_in(&law, &before);
            for i in 0..3 {
                store(&mut chunk.pressure[i], at, after.pressure[i]);
            }
            store(&mut chunk.scar, at, after.scar);
            store(&mut chunk.mean, at, after.mean);
            store(&mut chunk.variance, at, after.variance);
            store(&mut chunk.momentum, at, after.momentum);
            store(&mut chunk.resistance, at, after.resistance);
            chunk.usual[at / LANES] = after.usual.bits();
            chunk.opens[at / LANES] = after.is_open.bits();
        }
    }
}

/// A tick of one route, by itself.
fn tick_alone(table: &mut Table, params: &ParamsCache, slot: Slot, sample: &Sample, now_ms: Millis) -> Option<Row> {
    let (state, peers) = table.touch(slot)?;
    let tick = state.tick_with_peers(peers, params.get(state.params_id), sample, now_ms);
    let first_rejected = tick.rejected && state.rejected_samples == 1;
    Some(Row { resistance: state.resistance, mode: state.mode, tick, first_rejected })
}

impl Handle {
    /// Ticks the routes of a batch, in the order of its rows, to the bits that a tick of each would give. The lock is taken for each
    /// chunk, so that a batch never holds up another thread for long.
    pub fn tick_batch(&mut self, rows: &mut impl Rows, now_ms: Millis) {
        let mut from = 0;
        while from < rows.count() {
            from = self.tick_chunk(rows, from, now_ms);
        }
    }

    /// Ticks the rows from `from` on that go together, or one; the row that is next.
    fn tick_chunk(&mut self, rows: &mut impl Rows, from: usize, now_ms: Millis) -> usize {
        let BatchState { instruction_set, chunk } = &mut self.batch;
        let (mut table, params) = self.engine_ref.table();
        self.params.refresh(params);
        let table = &mut *table;
        if Self::see_evictions(table, &mut self.seen_evictions, &mut self.unreported) {
            rows.write(from, None);
            return from + 1;
        }
        (chunk.len, chunk.rests) = (0, 0);
        let mut next = from;
        while next < rows.count() {
            let (slot, sample) = rows.read(next);
            let Some(state) = table.touch_alone(slot) else { break };
            let Some(tuner) = &self.params.get(state.params_id).tuner else { break };
            let is_rare = state.mode == Mode::Bootstrap || state.moments_count == 0;
            if is_rare || !chunk.takes(slot, state.params_id) {
                break;
            }
            chunk.add(slot, state, tuner, &sample, now_ms);
            next += 1;
        }
        // A route that was only looked at is used again by its own tick: the order of use is that of the rows.
        if chunk.len < LANES {
            let (slot, sample) = rows.read(from);
            rows.write(from, tick_alone(table, &self.params, slot, &sample, now_ms));
            return from + 1;
        }
        let params = self.params.get(chunk.params_id);
        if let Some(tuner) = &params.tuner {
            instruction_set.run(TickChunk { chunk, params, tuner });
        }
        for (at, &slot) in chunk.slots[..chunk.len].iter().enumerate() {
            rows.write(from + at, Some(chunk.finish(at, table.state(slot), now_ms)));
        }
        next
    }

    /// The instruction set that batches run on.
    #[must_use]
    pub fn instruction_set(&self) -> InstructionSet {
        self.batch.instruction_set
    }

    /// Runs batches on another instruction set from now on: the answers are the same to the last bit.
    ///
    /// ```
    /// use atrion::{
    ///     engine::{Handle, Limits},
    ///     simd::InstructionSet,
    /// };
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// handle.set_instruction_set(InstructionSet::PORTABLE);
    /// assert_eq!(handle.instruction_set().name(), "portable");
    /// ```
    pub fn set_instruction_set(&mut self, instruction_set: InstructionSet) {
        self.batch.instruction_set = instruction_set;
    }
}
