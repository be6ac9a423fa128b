//! Pools: limits that several routes share.
//!
//! The routes of a pool may be in several shards of an engine, so a pool there has a lock of its own. It is taken under that of a route's shard,
//! and no other is taken under it.

use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::{Arc, OnceLock};

#[cfg(not(target_family = "wasm"))]
use crate::sync::{Mutex, MutexGuard};
use crate::{engine::limiter::Capacity, physics::params::RouteParams, units::Millis};

/// Most pools of routes that share a limit.
const MAX_POOLS: usize = 1024;
/// Stands for the pool of a route that has a limit of its own.
pub const NO_POOL: usize = usize::MAX;

/// A pool by its number, and how many routes are in it.
#[derive(Debug)]
pub struct Listed {
    id: u64,
    routes: u32,
}

image! { Listed { id, routes } }

/// The pools that there are.
#[derive(Debug, Default)]
pub struct Directory(Vec<Listed>);

impl Directory {
    /// The index of a pool, and true where it is new there; None where there are too many.
    fn find(&mut self, id: u64) -> Option<(usize, bool)> {
        if let Some(at) = self.0.iter().position(|pool| pool.id == id) {
            return Some((at, false));
        }
        let fresh = Listed { id, routes: 0 };
        if let Some(vacant) = self.0.iter().position(|pool| pool.routes == 0) {
            self.0[vacant] = fresh;
            return Some((vacant, true));
        }
        (self.0.len() < MAX_POOLS).then(|| {
            self.0.push(fresh);
            (self.0.len() - 1, true)
        })
    }
}

/// The pools of a table.
#[derive(Debug)]
pub enum Pools {
    /// Those of an engine with one table.
    Own(Directory, Vec<Capacity>),
    /// Those of all shards of an engine.
    #[cfg(not(target_family = "wasm"))]
    Shared(Arc<SharedPools>),
}

impl Default for Pools {
    fn default() -> Self {
        Self::Own(Directory::default(), Vec::new())
    }
}

/// The pools of an engine with shards.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct SharedPools {
    directory: Mutex<Directory>,
    /// By index; there once there was a pool of that index. They never move, so that one is reached without the directory.
    capacities: Box<[OnceLock<Box<Mutex<Capacity>>>]>,
}

#[cfg(not(target_family = "wasm"))]
impl Default for SharedPools {
    fn default() -> Self {
        let capacities = (0..MAX_POOLS).map(|_| OnceLock::new()).collect();
        Self { directory: Mutex::new(Directory::default()), capacities }
    }
}

/// Exclusive access to a capacity for as long as this lives.
pub enum CapacityRef<'a> {
    Own(&'a mut Capacity),
    #[cfg(not(target_family = "wasm"))]
    Locked(MutexGuard<'a, Capacity>),
}

impl Pools {
    /// The capacity that a route's work counts against: its pool's, or its own where it is in none.
    #[inline]
    pub fn capacity<'a>(&'a mut self, pool: usize, own: &'a mut Capacity) -> CapacityRef<'a> {
        if pool == NO_POOL {
            return CapacityRef::Own(own);
        }
        match self {
            Self::Own(_, capacities) => CapacityRef::Own(capacities.get_mut(pool).unwrap_or(own)),
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => match pools.capacities.get(pool).and_then(OnceLock::get) {
                Some(capacity) => CapacityRef::Locked(capacity.lock()),
                None => CapacityRef::Own(own),
            },
        }
    }

    /// The index of the pool that the parameters name, made when it is new, and a route more in it; `NO_POOL` when there are too many.
    pub fn join(&mut self, params: &RouteParams, now_ms: Millis) -> usize {
        let fresh = || Capacity::new(params, true, now_ms);
        match self {
            Self::Own(directory, capacities) => {
                let Some((at, is_new)) = directory.find(params.pool) else { return NO_POOL };
                if is_new {
                    match capacities.get_mut(at) {
                        Some(capacity) => *capacity = fresh(),
                        None => capacities.push(fresh()),
                    }
                }
                directory.0[at].routes += 1;
                at
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => {
                let mut directory = pools.directory.lock();
                let Some((at, is_new)) = directory.find(params.pool) else { return NO_POOL };
                if is_new {
                    let capacity = pools.capacities[at].get_or_init(|| Box::new(Mutex::new(fresh())));
                    *capacity.lock() = fresh();
                }
                directory.0[at].routes += 1;
                at
            }
        }
    }

    /// Takes a route out of a pool.
    pub fn leave(&mut self, pool: usize) {
        match self {
            Self::Own(directory, _) => {
                if let Some(listed) = directory.0.get_mut(pool) {
                    listed.routes -= 1;
                }
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => {
                if let Some(listed) = pools.directory.lock().0.get_mut(pool) {
                    listed.routes -= 1;
                }
            }
        }
    }

    /// Returns whether a number is that of a pool, or stands for none.
    #[cfg(not(target_family = "wasm"))]
    pub fn has(&self, pool: usize) -> bool {
        match self {
            Self::Own(directory, capacities) => pool == NO_POOL || pool < directory.0.len().min(capacities.len()),
            Self::Shared(_) => true,
        }
    }

    /// Writes the pools into an image; false where they are shared.
    #[cfg(not(target_family = "wasm"))]
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        use crate::image::Image;
        let Self::Own(directory, capacities) = self else { return false };
        directory.0.write(out);
        capacities.write(out);
        true
    }

    /// Reads what [`Pools::write`] wrote.
    #[cfg(not(target_family = "wasm"))]
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        use crate::image::Image;
        Some(Self::Own(Directory(Vec::read(from)?), Vec::read(from)?))
    }
}

impl Deref for CapacityRef<'_> {
    type Target = Capacity;

    #[inline]
    fn deref(&self) -> &Capacity {
        match self {
            Self::Own(capacity) => capacity,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(capacity) => capacity,
        }
    }
}

impl DerefMut for CapacityRef<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Capacity {
        match self {
            Self::Own(capacity) => capacity,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(capacity) => capacity,
        }
    }
}
