//! The rows of a batch: many ticks in one crossing. Rows of [slot, latencyMs, errorRate, saturation] become [slot, resistance, mode,
//! status].

use super::frame::{ROW_CELLS, status, tick_status};
#[cfg(not(target_family = "wasm"))]
use crate::engine::Rows;
use crate::{
    clock::Now,
    engine::{Handle, Row, Slot},
    physics::pressure::Sample,
};

/// A row.
type Cells = [f64; ROW_CELLS];

#[inline]
fn read(&[slot, latency_ms, error_rate, saturation]: &Cells) -> (Slot, Sample) {
    (slot as Slot, Sample { latency_ms, error_rate, saturation })
}

#[inline]
fn write(row: &mut Cells, result: Option<Row>) {
    match result {
        Some(done) => {
            row[1] = done.resistance;
            row[2] = f64::from(done.mode as u8);
            row[3] = f64::from(tick_status(&done.tick, done.first_rejected));
        }
        None => row[3] = f64::from(status::STALE),
    }
}

/// Rows where JavaScript keeps them.
#[cfg(not(target_family = "wasm"))]
struct BatchRows<'a>(&'a mut [Cells]);

#[cfg(not(target_family = "wasm"))]
impl Rows for BatchRows<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn read(&self, row: usize) -> (Slot, Sample) {
        read(&self.0[row])
    }

    #[inline]
    fn write(&mut self, row: usize, result: Option<Row>) {
        write(&mut self.0[row], result);
    }
}

/// `routeBatch`: ticks the routes of the rows.
#[cfg(not(target_family = "wasm"))]
pub fn route_batch(handle: &mut Handle, rows: &mut [f64], now: &Now) {
    handle.tick_batch(&mut BatchRows(rows.as_chunks_mut().0), now.coarse_ms());
}

/// The same, one by one.
#[cfg(target_family = "wasm")]
pub fn route_batch(handle: &mut Handle, rows: &mut [f64], now: &Now) {
    let now_ms = now.coarse_ms();
    for row in rows.as_chunks_mut().0 {
        let (slot, sample) = read(row);
        write(row, handle.tick(slot, &sample, now_ms));
    }
}
