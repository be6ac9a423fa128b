//! Ticks of many routes one by one: in wasm a second copy of the laws would weigh more than a batch gains.

use super::{Handle, handle::Rows};
use crate::units::Millis;

/// The memory that a handle has for its batches: none.
#[derive(Debug, Default)]
pub struct BatchState {}

impl Handle {
    /// Ticks the routes of a batch, in the order of its rows.
    pub fn tick_batch(&mut self, rows: &mut impl Rows, now_ms: Millis) {
        for row in 0..rows.count() {
            let (slot, sample) = rows.read(row);
            rows.write(row, self.tick(slot, &sample, now_ms));
        }
    }
}
