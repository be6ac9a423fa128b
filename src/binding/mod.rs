//! Translation between JavaScript and the engine: nothing is decided here.

#[cfg(all(not(feature = "fleet"), any(target_family = "wasm", feature = "engine")))]
mod acquire;
#[cfg(all(not(feature = "fleet"), any(target_family = "wasm", feature = "engine")))]
mod batch;
#[cfg(all(not(feature = "fleet"), any(target_family = "wasm", feature = "engine")))]
mod blocks;
#[cfg(any(all(not(target_family = "wasm"), feature = "engine"), feature = "fleet"))]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register its tick in"))]
mod fleet;
#[cfg(all(not(feature = "fleet"), any(target_family = "wasm", feature = "engine")))]
mod frame;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "an allocator is unsafe to implement")]
mod heap;
#[cfg_attr(not(feature = "engine"), allow(dead_code, reason = "parameters are the engine's"))]
mod law;
#[cfg(all(not(feature = "fleet"), any(target_family = "wasm", feature = "engine")))]
mod metrics;
#[cfg(not(any(target_family = "wasm", feature = "fleet")))]
mod node;
#[cfg(all(target_family = "wasm", not(feature = "fleet")))]
#[allow(unsafe_code, reason = "exports share memory with JavaScript; what soundness rests on is stated at each use")]
mod wasm;
#[cfg(all(target_family = "wasm", feature = "fleet"))]
#[allow(unsafe_code, reason = "exports share memory with JavaScript; what soundness rests on is stated at each use")]
mod wasm_fleet;
