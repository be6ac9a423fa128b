//! Pools: limits that several routes share.
//!
//! The routes of a pool may be in several shards of an engine, so a pool there has a lock of its own. It is taken under that of a route's shard,
//! and no other is taken under it.

use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::{Arc, OnceLock};

#[cfg(not(target_family = "wasm"))]
use crate::sync::{Mutex, MutexGuard};
use crate::{
    engine::limiter::{Capacity, Load},
    physics::params::RouteParams,
    units::Millis,
};

/// Most pools of routes that share a limit.
const MAX_POOLS: usize = 1024;
/// Stands for the pool of a route that has a limit of its own.
pub const NO_POOL: usize = usize::MAX;

/// A pool by its number, and how many routes are in it. `C`: its capacity, where that is kept with it.
#[derive(Debug)]
pub struct Pool<C> {
    id: u64,
    capacity: C,
    routes: u32,
}

/// The index of a pool of that number, which gets one route more; where it is new, `fresh` makes its capacity. `NO_POOL` where there are
/// too many.
fn enter<C>(pools: &mut Vec<Pool<C>>, id: u64, fresh: impl FnOnce(usize) -> C) -> usize {
    let known = pools.iter().position(|pool| pool.id == id);
    let at = known.unwrap_or_else(|| {
        let vacant = pools.iter().position(|pool| pool.routes == 0).unwrap_or(pools.len());
        if vacant == MAX_POOLS {
            return NO_POOL;
        }
        let fresh = Pool { id, capacity: fresh(vacant), routes: 0 };
        match pools.get_mut(vacant) {
            Some(pool) => *pool = fresh,
            None => pools.push(fresh),
        }
        vacant
    });
    if let Some(pool) = pools.get_mut(at) {
        pool.routes += 1;
    }
    at
}

/// The pools of a table.
#[derive(Debug)]
pub enum Pools {
    /// Those of an engine with one table.
    Own(Vec<Pool<Capacity>>),
    /// Those of all shards of an engine.
    #[cfg(not(target_family = "wasm"))]
    Shared(Arc<SharedPools>),
}

impl Default for Pools {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

/// The pools of an engine with shards.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct SharedPools {
    directory: Mutex<Vec<Pool<()>>>,
    /// By index; there once there was a pool of that index. They never move, so that one is reached without the directory.
    capacities: Box<[OnceLock<Box<Mutex<Capacity>>>]>,
}

#[cfg(not(target_family = "wasm"))]
impl Default for SharedPools {
    fn default() -> Self {
        let capacities = (0..MAX_POOLS).map(|_| OnceLock::new()).collect();
        Self { directory: Mutex::new(Vec::new()), capacities }
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
        if cfg!(not(target_family = "wasm")) && pool == NO_POOL {
            return CapacityRef::Own(own);
        }
        self.of_pool(pool, own)
    }

    /// The capacity of a pool: apart, so that a route without one is found its own in few instructions.
    #[cfg_attr(not(target_family = "wasm"), inline(never))]
    fn of_pool<'a>(&'a mut self, pool: usize, own: &'a mut Capacity) -> CapacityRef<'a> {
        match self {
            Self::Own(pools) => CapacityRef::Own(match pools.get_mut(pool) {
                Some(pool) => &mut pool.capacity,
                None => own,
            }),
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => match pools.capacities.get(pool).and_then(OnceLock::get) {
                Some(capacity) => CapacityRef::Locked(capacity.lock()),
                None => CapacityRef::Own(own),
            },
        }
    }

    /// Counts a route into the pool that its parameters name, made when it is new; its index. `NO_POOL` where they name none, or there are
    /// too many.
    pub fn enter(&mut self, params: &RouteParams, now_ms: Millis) -> usize {
        let fresh = || Capacity::new(params, true, now_ms);
        match self {
            _ if params.pool == 0 => NO_POOL,
            Self::Own(pools) => enter(pools, params.pool, |_| fresh()),
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => enter(&mut pools.directory.lock(), params.pool, |at| {
                *pools.capacities[at].get_or_init(|| Box::new(Mutex::new(fresh()))).lock() = fresh();
            }),
        }
    }

    /// Takes a route with that much work in flight out of its pool, or the work off its own capacity.
    pub fn leave(&mut self, pool: usize, own: &mut Capacity, load: &Load, now_ms: Millis) {
        self.capacity(pool, own).part(load, now_ms);
        match self {
            Self::Own(pools) => {
                if let Some(pool) = pools.get_mut(pool) {
                    pool.routes -= 1;
                }
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(_) if pool == NO_POOL => {}
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(pools) => pools.directory.lock()[pool].routes -= 1,
        }
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

#[cfg(not(target_family = "wasm"))]
mod image {
    use super::{Capacity, NO_POOL, Pool, Pools};
    use crate::image::Image;

    type Own = Pool<Capacity>;
    image! { Own { id, capacity, routes } }

    impl Pools {
        /// Writes the pools into an image; false where they are shared.
        pub fn write(&self, out: &mut Vec<u8>) -> bool {
            let Self::Own(pools) = self else { return false };
            pools.write(out);
            true
        }

        /// Reads what [`Pools::write`] wrote.
        pub fn read(from: &mut &[u8]) -> Option<Self> {
            Vec::read(from).map(Self::Own)
        }

        /// Returns whether a number is that of a pool, or stands for none.
        pub fn has(&self, pool: usize) -> bool {
            match self {
                Self::Own(pools) => pool == NO_POOL || pool < pools.len(),
                Self::Shared(_) => true,
            }
        }
    }
}
