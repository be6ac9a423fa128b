//! Translation between JavaScript and the engine: nothing is decided here.

#[cfg(not(feature = "fleet"))]
mod batch;
#[cfg(not(feature = "fleet"))]
mod blocks;
#[cfg(any(not(target_family = "wasm"), feature = "fleet"))]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register its tick in"))]
mod fleet;
#[cfg(not(feature = "fleet"))]
mod frame;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "an allocator is unsafe to implement")]
mod heap;
mod law;
#[cfg(not(feature = "fleet"))]
mod metrics;
#[cfg(not(any(target_family = "wasm", feature = "fleet")))]
mod node;
#[cfg(all(target_family = "wasm", not(feature = "fleet")))]
#[allow(unsafe_code, reason = "exports share memory with JavaScript; what soundness rests on is stated at each use")]
mod wasm;
#[cfg(all(target_family = "wasm", feature = "fleet"))]
#[allow(unsafe_code, reason = "exports share memory with JavaScript; what soundness rests on is stated at each use")]
mod wasm_fleet;
