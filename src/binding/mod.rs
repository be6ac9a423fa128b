//! Translation between JavaScript and the engine: nothing is decided here.

mod blocks;
mod frame;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "an allocator is unsafe to implement")]
mod heap;
mod law;
mod metrics;
#[cfg(not(target_family = "wasm"))]
mod node;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "exports share memory with JavaScript; what soundness rests on is stated at each use")]
mod wasm;
