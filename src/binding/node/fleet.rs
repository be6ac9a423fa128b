//! The tick of a fleet, over memory that JavaScript made.

use napi::{
    Result,
    bindgen_prelude::{Float64Array, Uint8Array},
};
use napi_derive::napi;

use super::engine::wanted_set;
use crate::binding::fleet;

/// Ticks the fleet whose block and modes these are; false when the block has not as many cells as its routes take.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
#[allow(unsafe_code, reason = "N-API hands out the memory of arrays so")]
pub fn tick_fleet(mut block: Float64Array, mut modes: Uint8Array) -> Result<bool> {
    let set = wanted_set()?;
    // SAFETY: JavaScript waits for this call; the two are of different buffers, which the package made and keeps to itself.
    let (block, modes) = unsafe { (block.as_mut(), modes.as_mut()) };
    Ok(fleet::tick(block, modes, set))
}

/// Has the time of the fleet whose block and modes these are pass; false as `tick_fleet` says it.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
#[allow(unsafe_code, reason = "N-API hands out the memory of arrays so")]
pub fn sweep_fleet(mut block: Float64Array, mut modes: Uint8Array) -> Result<bool> {
    let set = wanted_set()?;
    // SAFETY: as in `tick_fleet`.
    let (block, modes) = unsafe { (block.as_mut(), modes.as_mut()) };
    Ok(fleet::sweep(block, modes, set))
}
