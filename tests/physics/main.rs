//! The laws: each by itself, the tick that they make together, and the limit on random plants.

#[path = "../common/mod.rs"]
mod common;

#[path = "../common/plant/mod.rs"]
mod plant;

mod laws;
mod limit_harmless;
mod limit_plants;
mod limit_recovery;
mod limit_sufficient;
mod math;
mod queue;
mod simd;
mod tick;
