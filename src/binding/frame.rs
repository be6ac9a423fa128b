//! The frame: the cells that JavaScript and the engine share. Their numbers are stated here, once: `scripts/write-frame.mjs` copies them
//! into `ts/engine/port.ts`.

use crate::{
    clock::Now,
    engine::{Cause, Decision, Handle, NO_PERMIT, Outcome, PermitId, Slot},
    physics::{
        mode::Mode,
        peers::Blend,
        pressure::Sample,
        resistance::Parts,
        tick::{RouteState, Tick},
    },
    units::Millis,
};

/// Cells of a frame.
pub const FRAME_CELLS: usize = 1408;
/// Cells of a row of a batch.
pub const ROW_CELLS: usize = 4;
/// Decisions whose terms the frame keeps, a power of two.
pub const TERM_ROWS: usize = 128;

/// Numbers of decisions, as a mask: each is a small integer of JavaScript's.
const DECISIONS: u32 = (1 << 30) - 1;

/// Indices into a frame.
pub mod cell {
    pub const SLOT: usize = 0;
    pub const NOW: usize = 1;
    pub const LATENCY_MS: usize = 2;
    pub const ERROR_RATE: usize = 3;
    pub const SATURATION: usize = 4;
    pub const VOLTAGE: usize = 5;
    pub const LAW: usize = 6;
    pub const TIER: usize = 7;
    pub const KEY: usize = 8;
    pub const PERMIT: usize = 9;
    pub const OUTCOME: usize = 10;
    pub const QUEUE_AGE_MS: usize = 11;
    pub const PROCESS_SATURATION: usize = 12;
    pub const WAITED_MS: usize = 13;
    pub const MAY_WAIT_MS: usize = 14;
    pub const RATE_PER_MS: usize = 15;

    pub const STATUS: usize = 16;
    pub const RESISTANCE: usize = 17;
    pub const MODE: usize = 18;
    pub const MODE_BEFORE: usize = 19;
    pub const RETRY_AFTER_MS: usize = 20;
    pub const MOMENTUM: usize = 21;
    pub const SCAR: usize = 22;
    pub const DELTA_T_MS: usize = 23;
    pub const TICKS: usize = 24;
    pub const TIMESTAMP: usize = 25;
    pub const PRESSURE: usize = 26;
    pub const CAUSE: usize = 29;
    pub const DECISION: usize = 30;
    pub const READ_MS: usize = 31;

    pub const STATE: usize = 32;
    pub const KEY_LANE: usize = 58;
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "the watchdog is native"))]
    pub const STALLS: usize = 59;
    pub const KEY_WEIGHT: usize = 60;
    pub const KEY_CLASS: usize = 61;
    pub const AGE_MS: usize = 62;
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "the watchdog is native"))]
    pub const EXCUSED_MS: usize = 63;
    pub const STATS: usize = 64;
    pub const TERMS: usize = 128;
}

/// Indices into a row of terms.
pub mod terms {
    pub const BASE: usize = 0;
    pub const PRESSURE: usize = 1;
    pub const MOMENTUM: usize = 2;
    pub const SCAR: usize = 3;
    pub const CLUSTER: usize = 4;
    pub const OWN: usize = 5;
    pub const FAULTS: usize = 6;
    pub const OCCUPANCY: usize = 7;
    pub const QUEUE: usize = 8;
    pub const PROCESS: usize = 9;
    pub const LENGTH: usize = 10;
}

/// Causes of refusals: those of the engine, then those of JavaScript.
#[allow(dead_code, reason = "JavaScript reads them all")]
pub mod cause {
    pub const NONE: usize = 0;
    pub const BREAKER: usize = 1;
    pub const CLASS: usize = 2;
    pub const OCCUPANCY: usize = 3;
    pub const QUEUE_AGE: usize = 4;
    pub const PROCESS: usize = 5;
    pub const SCAR: usize = 6;
    pub const OVERRIDE: usize = 7;
    pub const WAIT_TIMEOUT: usize = 8;
    pub const WAIT_FULL: usize = 9;
    pub const BUDGET: usize = 10;
    pub const BAN: usize = 11;
}

const _: () = {
    assert!(TERM_ROWS.is_power_of_two() && cell::TERMS + TERM_ROWS * terms::LENGTH <= FRAME_CELLS);
    assert!(cause::BREAKER == Cause::Breaker as usize && cause::CLASS == Cause::Class as usize);
    assert!(cause::OCCUPANCY == Cause::Occupancy as usize && cause::QUEUE_AGE == Cause::QueueAge as usize);
    assert!(cause::PROCESS == Cause::Process as usize && cause::SCAR == Cause::Scar as usize);
    assert!(cause::OVERRIDE == Cause::Override as usize);
    assert!(cause::WAIT_TIMEOUT == Cause::WaitTimeout as usize && cause::WAIT_FULL == Cause::WaitFull as usize);
};

/// Bits of the status cell.
pub mod status {
    pub const ALLOW: u32 = 1;
    pub const TICKED: u32 = 2;
    pub const REJECTED: u32 = 4;
    pub const FIRST_REJECTED: u32 = 8;
    pub const STALE: u32 = 16;
    pub const STEADY: u32 = 32;
    pub const WAIT: u32 = 64;
    pub const VOID: u32 = 128;
}

/// The frame's cells.
pub type Cells = [f64; FRAME_CELLS];

pub fn tick_status(tick: &Tick, first_rejected: bool) -> u32 {
    let rejected = if tick.rejected { status::REJECTED } else { 0 };
    let first = if first_rejected { status::FIRST_REJECTED } else { 0 };
    status::TICKED | rejected | first
}

/// Writes the route's own part of a decision's terms into the next row; the row.
#[inline]
pub(super) fn write_own_terms<'a>(frame: &'a mut Cells, own: &Parts) -> &'a mut [f64; terms::LENGTH] {
    let decision = (frame[cell::DECISION] as u32 + 1) & DECISIONS;
    frame[cell::DECISION] = f64::from(decision);
    let at = cell::TERMS + decision as usize % TERM_ROWS * terms::LENGTH;
    let row: &mut [f64; terms::LENGTH] = frame[at..].first_chunk_mut().expect("every row lies within the frame");
    row[terms::BASE] = own.base;
    row[terms::PRESSURE] = own.pressure;
    row[terms::MOMENTUM] = own.momentum;
    row[terms::SCAR] = own.scar;
    row[terms::CLUSTER] = own.cluster;
    row[terms::OWN] = own.total;
    row
}

/// The number of parameters from a cell; negative: the route's own.
fn params_id(cell: f64) -> Option<u16> {
    (cell >= 0.0).then_some(cell as u16)
}

/// Writes the time that a call goes by, an input of its decision. In wasm the clock is JavaScript's, which knows its readings.
#[inline(always)]
pub(super) fn write_reading(frame: &mut Cells, now_ms: Millis) -> Millis {
    if cfg!(not(target_family = "wasm")) {
        frame[cell::READ_MS] = now_ms;
    }
    now_ms
}

/// `route`: one tick for the slot in the frame, the decision into the frame.
#[inline]
pub fn route(handle: &mut Handle, frame: &mut Cells, now: &Now) {
    let sample = Sample {
        latency_ms: frame[cell::LATENCY_MS],
        error_rate: frame[cell::ERROR_RATE],
        saturation: frame[cell::SATURATION],
    };
    let voltage = frame[cell::VOLTAGE];
    let params = params_id(frame[cell::LAW]);
    let slot = frame[cell::SLOT] as Slot;
    let now_ms = write_reading(frame, now.coarse_ms());
    let report = |decision: &Decision, state: &RouteState, peers: Option<&Blend>| {
        write_decision(frame, decision, state, peers);
    };
    if handle.route(slot, &sample, voltage, params, now_ms, report).is_none() {
        frame[cell::STATUS] = f64::from(status::STALE);
    }
}

#[inline]
fn write_decision(
    frame: &mut Cells,
    Decision { allow, retry_after_ms, refusal, tick }: &Decision,
    state: &RouteState,
    peers: Option<&Blend>,
) {
    let first_rejected = tick.rejected && state.rejected_samples == 1;
    let steady = tick.mode_before == Mode::Operational && state.mode == Mode::Operational;
    let bits = tick_status(tick, first_rejected)
        | if *allow { status::ALLOW } else { 0 }
        | if steady { status::STEADY } else { 0 };
    frame[cell::STATUS] = f64::from(bits);
    frame[cell::RETRY_AFTER_MS] = retry_after_ms.unwrap_or(f64::NAN);
    if let Some((cause, parts)) = refusal {
        frame[cell::CAUSE] = f64::from(*cause as u8);
        write_own_terms(frame, parts);
    }
    write_tick(frame, tick, state, peers);
}

/// Writes the state after a tick.
#[inline]
pub(super) fn write_tick(frame: &mut Cells, tick: &Tick, state: &RouteState, peers: Option<&Blend>) {
    frame[cell::RESISTANCE] = state.resistance;
    frame[cell::MODE] = f64::from(state.mode as u8);
    frame[cell::MODE_BEFORE] = f64::from(tick.mode_before as u8);
    frame[cell::MOMENTUM] = state.momentum;
    frame[cell::SCAR] = state.blended_scar(peers);
    frame[cell::DELTA_T_MS] = tick.delta_t_ms;
    frame[cell::PRESSURE..cell::PRESSURE + 3].copy_from_slice(&state.pressure);
    frame[cell::TICKS] = f64::from(state.ticks);
    frame[cell::TIMESTAMP] = state.last_updated_ms;
}

/// `release`: releases the permit in the frame. The status says whether a tick was due, and the frame for which slot; or that the
/// permit is void. A negative one stands for a detached request, which is concluded.
#[inline]
pub fn release(handle: &mut Handle, frame: &mut Cells, now: &Now) {
    let outcome = match frame[cell::OUTCOME] as u8 {
        0 => Outcome::Success,
        1 => Outcome::Failure,
        2 => Outcome::Ignored,
        4 => Outcome::Detached,
        _ => Outcome::Reclaimed,
    };
    let now_ms = write_reading(frame, now.precise_ms());
    if frame[cell::PERMIT] < 0.0 {
        handle.conclude(frame[cell::SLOT] as Slot, outcome, frame[cell::AGE_MS], now_ms);
        return;
    }
    let permit = frame[cell::PERMIT] as PermitId;
    frame[cell::STATUS] = 0.0;
    let age_ms = handle.release(permit, outcome, now_ms, |slot, tick, state, peers| {
        frame[cell::STATUS] = f64::from(status::TICKED);
        frame[cell::SLOT] = f64::from(slot);
        write_tick(frame, tick, state, peers);
    });
    match age_ms {
        Some(age_ms) => frame[cell::AGE_MS] = age_ms,
        None if permit != NO_PERMIT => frame[cell::STATUS] = f64::from(status::VOID),
        None => {}
    }
}

/// `inherit`: takes over what a store has of a route, from the head of the batch: scar, ticks, gamma (NaN: in full); or, where not
/// `taken`, gives back what was inherited of peers.
pub fn inherit(handle: &mut Handle, batch: &[f64], slot: Slot, taken: bool, now: &Now) -> bool {
    if !taken {
        handle.return_inherited(slot);
        return true;
    }
    let &[scar, ticks, gamma, ..] = batch else { return false };
    handle.inherit(slot, scar, ticks as u32, (gamma >= 0.0).then_some(gamma), now.coarse_ms())
}

/// `explain`: writes the parts of a route's own R into the next row of terms; false when there is no route in the slot.
pub fn explain(handle: &Handle, frame: &mut Cells, slot: Slot) -> bool {
    handle.parts(slot).map(|parts| write_own_terms(frame, &parts)).is_some()
}

/// `share`: sets what peers report of a route, from the head of the batch: keep, add, lone, belief, witnesses, bound.
pub fn set_blend(handle: &mut Handle, batch: &[f64], slot: Slot) {
    let &[keep, add, lone, belief, witnesses, bound, ..] = batch else { return };
    handle.set_blend(slot, Blend { keep, add, bound, lone, belief: belief as f32, witnesses: witnesses as u32 });
}

/// The cells of which [`set_blend`] makes that part of peers.
#[cfg(not(target_family = "wasm"))]
pub fn blend_cells(blend: &Blend) -> [f64; 6] {
    let &Blend { keep, add, bound, lone, belief, witnesses } = blend;
    [keep, add, lone, f64::from(belief), f64::from(witnesses), bound]
}
