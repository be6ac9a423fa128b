//! The numbers by which callers know routes and permits.

/// The slot of a route: its index in the table; of a shared engine, its index in its shard, and then the shard.
pub type Slot = u32;

/// The number of a permit: place and generation, exact in an f64.
pub type PermitId = u64;

/// A number that no permit ever has. It stands for the permit of a request that was admitted without the engine.
pub const NO_PERMIT: PermitId = 1 << 52;

/// The bits of a permit's number that are its place.
pub const PLACE_BITS: u32 = 26;

/// A shard among those of its engine: its index is in the lowest bits of its slots, and in the highest of its permits' places, so that
/// either names its shard without a look-up.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy)]
pub struct ShardId {
    /// Its index; 0 where there is one.
    pub index: u32,
    /// The bits of an index; 0 where there is one shard.
    pub bits: u32,
}

#[cfg(not(target_family = "wasm"))]
impl ShardId {
    /// The only one there is.
    pub const ONLY: Self = Self { index: 0, bits: 0 };

    /// The shard of a slot.
    #[inline]
    pub fn of_slot(slot: Slot, bits: u32) -> usize {
        (slot & ((1 << bits) - 1)) as usize
    }

    /// The shard of a permit.
    #[inline]
    pub fn of_permit(id: PermitId, bits: u32) -> usize {
        (id >> (PLACE_BITS - bits)) as usize & ((1 << bits) - 1)
    }

    /// The slot of a route that has this one in the shard.
    #[inline]
    pub fn slot(self, local: Slot) -> Slot {
        local << self.bits | self.index
    }

    /// The step between numbers of which each shard has its own: with its index as the first, no two shards have one in common.
    pub fn step(self) -> u32 {
        1 << self.bits
    }
}

/// The only shard there is.
#[cfg(target_family = "wasm")]
#[derive(Debug, Clone, Copy)]
pub struct ShardId;

#[cfg(target_family = "wasm")]
impl ShardId {
    /// Itself.
    pub const ONLY: Self = Self;

    /// The slot itself.
    #[inline]
    #[allow(clippy::unused_self, reason = "the face of a shard among others")]
    pub fn slot(self, local: Slot) -> Slot {
        local
    }

    /// The step between numbers.
    #[inline]
    #[allow(clippy::unused_self, reason = "the face of a shard among others")]
    pub fn step(self) -> u32 {
        1
    }
}
