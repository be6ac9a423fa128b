//! N-API: the engine as a class for what is rare, and bare functions over the frame for what is not.

mod checks;
mod engine;
#[allow(unsafe_code, reason = "N-API hands out raw pointers; what soundness rests on is stated at each use")]
mod hot;
mod panics;
mod process;
pub mod redis;
mod redis_options;
mod socket;
