//! N-API: the engine as a class for what is rare, and bare functions over the frame for what is not; and, as an addon of its own, the client
//! of Redis.

#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "N-API hands out raw pointers; what soundness rests on is stated at each use")]
mod arrays;
#[cfg_attr(not(feature = "engine"), allow(dead_code, reason = "parameters are the engine's"))]
mod checks;
#[cfg(all(feature = "engine", target_os = "linux", target_arch = "x86_64"))]
mod counter;
#[cfg(feature = "engine")]
mod engine;
#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "libuv hands out raw pointers; what soundness rests on is stated at each use")]
mod event_loop;
#[cfg(feature = "engine")]
mod fleet;
#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "functions of V8 are found by name, and call back")]
mod gc;
#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "N-API hands out raw pointers; what soundness rests on is stated at each use")]
mod hot;
#[cfg(feature = "engine")]
mod link;
mod panics;
#[cfg(feature = "engine")]
mod process;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "redis")]
mod redis_documents;
#[cfg(feature = "redis")]
mod redis_options;
#[cfg(feature = "engine")]
mod socket;
#[cfg(feature = "engine")]
mod stalls;
#[cfg(all(feature = "engine", target_os = "linux"))]
mod system_clock;
#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "functions of libuv are found by name")]
mod uv;
#[cfg(feature = "engine")]
#[allow(unsafe_code, reason = "a loop of libuv is looked at from another thread")]
mod watchdog;
#[cfg(feature = "engine")]
mod watched;

use napi_derive::napi;

/// The package's version: the face loads no addon of another one.
#[napi]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
