//! Atrion: admission control that behaves like physics.
//!
//! Every route is a resistor: stress and remembered damage make its resistance R; a request is pushed by its priority,
//! a voltage V, and flows if V > R.
//!
//! | module | what it is for |
//! |---|---|
//! | [`units`] | the units that numbers are in |
//! | [`simd`] | the four lanes all arithmetic of a tick runs in |
//! | [`physics`] | the laws: pure functions of (state, input, now), one per file |
//! | [`engine`] | what a caller holds: routes, their table, decisions |
//! | `state` | what nodes tell each other, and how: Redis, on threads of its own |
//! | [`clock`] | monotonic time, where the platform has it |
//! | `binding` | translation to Node (N-API): nothing is decided there |
//!
//! Arrows point one way: binding → engine → {state, clock} → physics → simd → units.

pub mod clock;
pub mod engine;
pub mod physics;
#[cfg(not(target_family = "wasm"))]
pub mod replication;
pub mod simd;
pub mod units;

mod binding;
