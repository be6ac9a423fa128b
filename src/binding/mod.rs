//! Translation between JavaScript and the engine: nothing is decided here.

mod frame;
#[cfg(not(target_family = "wasm"))]
mod node;
