//! Atrion: admission control that behaves like physics.
//!
//! Every route is a resistor: stress and remembered damage make its resistance R; a request is pushed by its priority,
//! a voltage V, and flows if V > R.
//!
//! | module | content |
//! |---|---|
//! | [`units`] | the units of numbers |
//! | [`mod@image`] | values as bytes, for recordings; not in wasm |
//! | `sync` | the locks and atomic numbers that threads share |
//! | [`simd`] | the four lanes in which the arithmetic of a tick runs |
//! | [`physics`] | the laws: pure functions of (state, input, now), one per file |
//! | [`engine`] | routes, their table, decisions |
//! | `replication` | what nodes report to each other, and how: Redis, on a thread of its own |
//! | [`clock`] | monotonic time, where the platform has it |
//! | `binding` | translation to Node (N-API) and WebAssembly: nothing is decided there |
//!
//! Arrows point one way: binding → engine → {physics, replication, clock} → simd → {units, sync, image}.

#[macro_use]
pub mod image;

pub mod clock;
pub mod engine;
pub mod physics;
#[cfg(not(target_family = "wasm"))]
pub mod replication;
pub mod simd;
mod sync;
pub mod units;

// Without features there is the engine alone: what tests of the crate link.
#[cfg(any(target_family = "wasm", feature = "engine", feature = "redis"))]
mod binding;
