//! The numbers by which callers know routes and permits.

/// The slot of a route: its index in the table.
pub type Slot = u32;

/// The number of a permit: place and generation, exact in an f64.
pub type PermitId = u64;

/// A number that no permit ever has. It stands for the permit of a request that was admitted without the engine.
pub const NO_PERMIT: PermitId = 1 << 52;
