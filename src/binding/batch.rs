//! The rows of a batch: many ticks in one crossing.

use super::frame::{ROW_CELLS, status, tick_status};
use crate::{
    clock::Now,
    engine::{Handle, Row, Rows, Slot},
    physics::pressure::Sample,
};

/// Rows of [slot, latencyMs, errorRate, saturation], which become [slot, resistance, mode, status].
struct BatchRows<'a>(&'a mut [[f64; ROW_CELLS]]);

impl Rows for BatchRows<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn read(&self, row: usize) -> (Slot, Sample) {
        let [slot, latency_ms, error_rate, saturation] = self.0[row];
        (slot as Slot, Sample { latency_ms, error_rate, saturation })
    }

    #[inline]
    fn write(&mut self, row: usize, result: Option<Row>) {
        let row = &mut self.0[row];
        match result {
            Some(done) => {
                row[1] = done.resistance;
                row[2] = f64::from(done.mode as u8);
                row[3] = f64::from(tick_status(&done.tick, done.first_rejected));
            }
            None => row[3] = f64::from(status::STALE),
        }
    }
}

/// `routeBatch`: ticks the routes of the rows.
pub fn route_batch(handle: &mut Handle, rows: &mut [f64], now: &Now) {
    handle.tick_batch(&mut BatchRows(rows.as_chunks_mut().0), now.coarse_ms());
}
