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

/// Cells of a reading, of a note, and of a result with its mode.
#[cfg(not(target_family = "wasm"))]
const READING_CELLS: usize = 3;
#[cfg(not(target_family = "wasm"))]
const NOTE_CELLS: usize = 2;
#[cfg(not(target_family = "wasm"))]
const WITH_MODE: usize = 2;

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

/// Rows in arrays of JavaScript's: a slot, a reading and `stride` cells for the result each. A row that is more than a tick is noted.
#[cfg(not(target_family = "wasm"))]
struct ArrayRows<'a> {
    slots: &'a [Slot],
    readings: &'a [[f64; READING_CELLS]],
    results: &'a mut [f64],
    stride: usize,
    notes: &'a mut [[f64; NOTE_CELLS]],
    noted: usize,
}

#[cfg(not(target_family = "wasm"))]
impl ArrayRows<'_> {
    #[cold]
    fn note(&mut self, row: usize, status: u32) {
        if let Some(note) = self.notes.get_mut(self.noted) {
            *note = [row as f64, f64::from(status)];
            self.noted += 1;
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Rows for ArrayRows<'_> {
    fn count(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn read(&self, row: usize) -> (Slot, Sample) {
        let [latency_ms, error_rate, saturation] = self.readings[row];
        (self.slots[row], Sample { latency_ms, error_rate, saturation })
    }

    #[inline]
    fn write(&mut self, row: usize, result: Option<Row>) {
        let Some(done) = result else { return self.note(row, status::STALE) };
        self.results[row * self.stride] = done.resistance;
        if self.stride == WITH_MODE {
            self.results[row * WITH_MODE + 1] = f64::from(done.mode as u8);
        }
        let status = tick_status(&done.tick, done.first_rejected);
        if status != status::TICKED {
            self.note(row, status);
        }
    }
}

/// Ticks routes whose slots, readings and results are arrays: three numbers a reading, one or two a result. Rows that are more than a
/// tick are noted in `notes`, as [row, status]; how many. None where an array is too short.
#[cfg(not(target_family = "wasm"))]
pub fn route_arrays(
    handle: &mut Handle,
    slots: &[Slot],
    readings: &[f64],
    results: &mut [f64],
    notes: &mut [f64],
    now: &Now,
) -> Option<usize> {
    let (readings, notes) = (readings.as_chunks().0, notes.as_chunks_mut().0);
    let stride = results.len().checked_div(slots.len())?;
    if readings.len() < slots.len() || notes.len() < slots.len() || !(1..=WITH_MODE).contains(&stride) {
        return None;
    }
    let mut rows = ArrayRows { slots, readings, results, stride, notes, noted: 0 };
    handle.tick_batch(&mut rows, now.coarse_ms());
    Some(rows.noted)
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
