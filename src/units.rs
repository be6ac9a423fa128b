//! The units that numbers are in. Plain aliases: a law reads like its formula, a signature says what it takes.

/// Milliseconds, monotonic when it is a time.
pub type Millis = f64;
/// Ω: resistance, and everything that adds up to it.
pub type Ohms = f64;
/// V: priority of a request.
pub type Volts = f64;
/// 1/ms: how fast pressure changes.
pub type PerMillis = f64;

/// R never exceeds this, Ω.
pub const MAX_RESISTANCE: Ohms = 1e6;
/// Below this a scar is gone, Ω.
pub const EPSILON: f64 = 1e-9;
