//! Batches of rows: chunk by chunk, each under one lock, shard by shard where an engine has several.

use super::{
    Handle, Row,
    engine_ref::{At, EngineRef},
    handle_open_loop::tick_one,
    ids::{ShardId, Slot},
    shards::MOST_SHARDS,
    tick_rows::{Rows, TickRows},
};
use crate::{
    physics::pressure::Sample,
    simd::{InstructionSet, LANES},
    units::Millis,
};

/// Most rows that are ticked under one lock.
const CHUNK: usize = 64;
/// The instruction set of a handle's batches.
#[derive(Debug)]
pub struct BatchState {
    instruction_set: InstructionSet,
    /// The rows of a batch on several shards, shard by shard.
    order: Vec<usize>,
}

impl Default for BatchState {
    fn default() -> Self {
        Self { instruction_set: InstructionSet::best(), order: Vec::new() }
    }
}

/// The rows of a batch that are of one shard, with the slots of its table.
struct ShardRows<'a, R> {
    rows: &'a mut R,
    /// Their numbers in the batch.
    order: &'a [usize],
    bits: u32,
}

impl<R: Rows> Rows for ShardRows<'_, R> {
    fn count(&self) -> usize {
        self.order.len()
    }

    #[inline]
    fn read(&self, row: usize) -> (Slot, Sample) {
        let (slot, sample) = self.rows.read(self.order[row]);
        (slot >> self.bits, sample)
    }

    #[inline]
    fn write(&mut self, row: usize, result: Option<Row>) {
        self.rows.write(self.order[row], result);
    }
}

impl Handle {
    /// Ticks the routes of a batch, in the order of its rows, to the bits that a tick of each would give. The lock is taken for each
    /// chunk, so that a batch never holds up another thread for long.
    ///
    /// A shared engine ticks them shard by shard, in order in each.
    pub fn tick_batch(&mut self, rows: &mut impl Rows, now_ms: Millis) {
        if let EngineRef::Shared(view) = &self.engine_ref
            && view.engine.shards.count() > 1
        {
            let bits = view.engine.shards.bits();
            self.tick_by_shard(rows, bits, now_ms);
        } else {
            self.tick_in(0, rows, now_ms);
        }
    }

    /// Ticks rows of routes in several shards.
    fn tick_by_shard(&mut self, rows: &mut impl Rows, bits: u32, now_ms: Millis) {
        let mut order = std::mem::take(&mut self.batch.order);
        order.clear();
        order.resize(rows.count(), 0);
        // The rows of the shards before each, and then of it too.
        let mut ends = [0; MOST_SHARDS + 1];
        for row in 0..rows.count() {
            ends[ShardId::of_slot(rows.read(row).0, bits) + 1] += 1;
        }
        for shard in 1..ends.len() {
            ends[shard] += ends[shard - 1];
        }
        for row in 0..rows.count() {
            let end = &mut ends[ShardId::of_slot(rows.read(row).0, bits)];
            order[*end] = row;
            *end += 1;
        }
        let mut from = 0;
        for (shard, &end) in ends[..1 << bits].iter().enumerate() {
            self.tick_in(shard as Slot, &mut ShardRows { rows, order: &order[from..end], bits }, now_ms);
            from = end;
        }
        self.batch.order = order;
    }

    /// Ticks rows of routes of a shard, whose slots are those in its table.
    fn tick_in(&mut self, shard: Slot, rows: &mut impl Rows, now_ms: Millis) {
        let mut from = 0;
        while from < rows.count() {
            from = self.tick_chunk(shard, rows, from, now_ms);
        }
    }

    /// Ticks some rows from `from` on; the row that is next.
    fn tick_chunk(&mut self, shard: Slot, rows: &mut impl Rows, from: usize, now_ms: Millis) -> usize {
        let set = self.batch.instruction_set;
        // The first slot of a shard is its index.
        let At { mut table, seen, params, .. } = self.engine_ref.at(shard);
        self.params.refresh(params);
        let table = &mut *table;
        // A slot may be another route's by now, whichever row it is in.
        if Self::see_evictions(table, seen, &mut self.unreported) {
            for row in from..rows.count() {
                rows.write(row, None);
            }
            return rows.count();
        }
        let end = rows.count().min(from + CHUNK);
        let mut next = from;
        if let Some(params_id) = table.alone(rows.read(from).0).map(|(state, _)| state.params_id) {
            let params = self.params.get(params_id);
            if let Some(tuner) = &params.tuner {
                next = set.run(TickRows { table, rows, from, end, params_id, params, tuner, now_ms });
            }
        }
        if next > from {
            return next;
        }
        let end = rows.count().min(from + LANES);
        for row in from..end {
            let (slot, sample) = rows.read(row);
            rows.write(row, tick_one(table, &self.params, slot, &sample, now_ms));
        }
        end
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
