//! The block of a fleet: the cells that JavaScript and a fleet's tick share. `scripts/write-frame.mjs` copies their numbers into
//! `ts/engine/fleet-cells.ts`.

use crate::{
    binding::law::{self, LAW_CELLS},
    engine::{FLEET_COLUMNS, FLEET_READINGS, Fleet, FleetClock},
    physics::params::RouteParams,
    simd::InstructionSet,
    units::Millis,
};

/// Indices into the head of a block, which a law, the columns and the readings follow.
pub mod cell {
    pub const TICKS: usize = 0;
    pub const LAST_UPDATED_AT: usize = 1;
    pub const REJECTED_SAMPLES: usize = 2;
    pub const NOW: usize = 3;
    pub const TICKED_AT: usize = 4;
    pub const LAW: usize = 5;
    pub const COLUMNS: usize = 41;
}

/// The columns of a block, each a cell a route. The readings follow them, three cells a route.
#[allow(dead_code, reason = "JavaScript reads them all")]
pub mod column {
    pub const PRESSURE_LATENCY: usize = 0;
    pub const PRESSURE_ERROR: usize = 1;
    pub const PRESSURE_SATURATION: usize = 2;
    pub const MOMENTUM: usize = 3;
    pub const SCAR: usize = 4;
    pub const RESISTANCE: usize = 5;
    pub const TUNER_MEAN: usize = 6;
    pub const TUNER_VARIANCE: usize = 7;
    pub const RECOVERY_STARTED_AT: usize = 8;
    pub const READINGS: usize = 9;
}

const _: () = assert!(cell::LAW + LAW_CELLS == cell::COLUMNS && column::READINGS == FLEET_COLUMNS);

/// The cells of a block of so many routes.
pub fn block_cells(routes: usize) -> usize {
    cell::COLUMNS + (FLEET_COLUMNS + FLEET_READINGS) * routes
}

/// Ticks the fleet in a block, or, where it is at tick −1, makes every route one without measurements. False when the block has not as
/// many cells as its routes take.
pub fn tick(block: &mut [f64], modes: &mut [u8], set: InstructionSet) -> bool {
    with(block, modes, |fleet, clock, readings, params, now_ms| {
        if let Some(clock) = clock {
            fleet.tick(clock, readings, params, now_ms, set);
        } else {
            fleet.clear(params);
        }
    })
}

/// Has the time of the fleet in a block pass, without readings. False as [`tick`] says it.
pub fn sweep(block: &mut [f64], modes: &mut [u8], set: InstructionSet) -> bool {
    with(block, modes, |fleet, clock, _, params, now_ms| {
        if let Some(clock) = clock {
            fleet.sweep(clock, params, now_ms, set);
        }
    })
}

/// Runs `f` with the fleet in a block, its clock unless it is at tick −1, the readings, the law and the present.
fn with(
    block: &mut [f64],
    modes: &mut [u8],
    f: impl FnOnce(&mut Fleet<'_>, Option<&mut FleetClock>, &[f64], &RouteParams, Millis),
) -> bool {
    let routes = modes.len();
    if block.len() != block_cells(routes) {
        return false;
    }
    let (head, rest) = block.split_at_mut(cell::COLUMNS);
    let (columns, readings) = rest.split_at_mut(FLEET_COLUMNS * routes);
    let (Some(cells), Some(mut fleet)) = (head[cell::LAW..].first_chunk(), Fleet::new(columns, modes)) else {
        return false;
    };
    let params = law::params(cells);
    let mut clock = FleetClock::default();
    let is_new = head[cell::TICKS] < 0.0;
    if !is_new {
        clock.ticks = head[cell::TICKS] as u32;
        clock.last_updated_ms = head[cell::LAST_UPDATED_AT];
        clock.ticked_ms = head[cell::TICKED_AT];
        clock.rejected_samples = head[cell::REJECTED_SAMPLES] as u64;
    }
    f(&mut fleet, (!is_new).then_some(&mut clock), readings, &params, head[cell::NOW]);
    head[cell::TICKS] = f64::from(clock.ticks);
    head[cell::LAST_UPDATED_AT] = clock.last_updated_ms;
    head[cell::TICKED_AT] = clock.ticked_ms;
    head[cell::REJECTED_SAMPLES] = clock.rejected_samples as f64;
    true
}
