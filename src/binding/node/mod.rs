//! N-API: the engine as a class for what is rare, and bare functions over the frame for what is not.

mod checks;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod counter;
mod engine;
mod fleet;
#[allow(unsafe_code, reason = "N-API hands out raw pointers; what soundness rests on is stated at each use")]
mod hot;
mod panics;
mod process;
pub mod redis;
mod redis_options;
mod socket;

use napi_derive::napi;

/// The package's version: the face loads no addon of another one.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
