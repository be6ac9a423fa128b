//! The engine: routes, their parameters, and one [`Handle`] per thread that decides with them.
//!
//! | file | content |
//! |---|---|
//! | `ids` | the numbers of routes and permits |
//! | `names` | route names; `names_external` where the host keeps them (wasm) |
//! | `routes`, `lru` | the routes' states, bounded, the least recently used evicted first |
//! | `routes/pools` | the pools in which routes share a limit |
//! | `shards` | the parts of a shared engine's table, each under a lock of its own |
//! | `params` | the parameters of routes by number; `params_single` in a build with a single handle (wasm) |
//! | `limiter` | the closed loop of a route |
//! | `permits` | the granted permits |
//! | `handle`, `handle_loop`, `handle_evictions` | a thread's view: decisions, evictions it has not yet seen |
//! | `handle_image` | all that decisions depend on, as bytes, for recordings; not in wasm |
//! | `handle_stalls` | what a blocked event loop excuses; not in wasm, where none is watched |
//! | `batch` | ticks of many routes, four a vector; not in wasm, where a second copy of the laws would weigh more than it gains |
//! | `fleet` | routes by number that tick together, as columns |
//! | `metrics` | the state and the statistics of every route |
//! | `peers` | what other nodes report of the routes |
//! | `replication` | what is reported to them; not in wasm |
//! | `engine_ref` | a handle's reference to its engine, owned or shared |

#[cfg(not(target_family = "wasm"))]
mod batch;
mod engine_ref;
#[cfg(any(not(target_family = "wasm"), feature = "fleet"))]
mod fleet;
mod handle;
mod handle_evictions;
#[cfg(not(target_family = "wasm"))]
mod handle_image;
mod handle_loop;
mod handle_open_loop;
#[cfg(not(target_family = "wasm"))]
mod handle_stalls;
mod ids;
mod limiter;
mod lru;
mod metrics;
#[cfg_attr(target_family = "wasm", path = "names_external.rs")]
mod names;
#[cfg_attr(target_family = "wasm", path = "params_single.rs")]
mod params;
mod peers;
mod permits;
#[cfg(not(target_family = "wasm"))]
mod replication;
mod routes;
#[cfg(not(target_family = "wasm"))]
mod shards;
#[cfg(not(target_family = "wasm"))]
mod tick_rows;

#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

#[cfg(any(not(target_family = "wasm"), feature = "fleet"))]
pub use fleet::{COLUMNS as FLEET_COLUMNS, Fleet, FleetClock, READINGS as FLEET_READINGS};
pub use handle::Handle;
pub use handle_evictions::Evicted;
pub use handle_open_loop::{Decision, Row};
pub use ids::{NO_PERMIT, PermitId, Slot};
pub use limiter::{AcquireRequest, AcquireResult, CAUSES, Cause, Counts, Key, Outcome, Priority, Stats, Terms, Wait};
pub use lru::ENTRY_BYTES;
pub use metrics::RouteMetrics;
pub use names::Name;
#[cfg(not(target_family = "wasm"))]
pub use replication::Synced;
#[cfg(not(target_family = "wasm"))]
pub use tick_rows::Rows;

use params::ParamsTable;
use routes::Table;

#[cfg(not(target_family = "wasm"))]
use shards::Shards;

use crate::sync::Mutex;
#[cfg(not(target_family = "wasm"))]
use crate::sync::MutexGuard;

/// The bounds of an engine's memory.
///
/// ```
/// use atrion::engine::Limits;
///
/// let limits = Limits::of_routes(1000);
/// assert_eq!((limits.max_routes, limits.max_name_bytes), (1000, 16 << 20));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most routes kept, 1 to 2^24.
    pub max_routes: u32,
    /// Most bytes kept of their names: long names evict as many routes do.
    pub max_name_bytes: usize,
}

impl Limits {
    /// `max_routes` routes, with 256 bytes of name each on average and never less than 16 MiB in all.
    #[must_use]
    pub fn of_routes(max_routes: u32) -> Self {
        let max_routes = max_routes.clamp(1, 1 << 24);
        Self { max_routes, max_name_bytes: (max_routes as usize * 256).max(16 << 20) }
    }
}

/// The routes and their parameters, shared by every thread that decides with them.
///
/// The states of an engine that threads share are in shards, each under a lock of its own: threads that decide on different routes seldom
/// meet. Names resolve without those locks.
///
/// ```
/// use atrion::engine::{Engine, Handle, Limits};
///
/// let engine = Engine::new(Limits::of_routes(1000));
/// let (mut one, two) = (Handle::new(engine.clone()), Handle::new(engine.clone()));
/// let slot = one.intern("GET /orders".into(), 0.0);
/// assert_eq!(two.find(&"GET /orders".into()), Some(slot), "handles see the same routes");
/// assert_eq!((engine.len(), engine.max_routes()), (1, 1000));
/// ```
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    names: names::Names,
    /// The only table of an engine that is not shared.
    table: Mutex<Table>,
    params: ParamsTable,
    /// The tables of a shared one.
    #[cfg(not(target_family = "wasm"))]
    shards: Shards,
    #[cfg(not(target_family = "wasm"))]
    replication: Mutex<replication::ReplicationState>,
}

impl Engine {
    /// An engine without routes, to be shared by threads; parameters 0 are the default ones.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { shards: Shards::new(limits, None), ..Self::alone(limits) })
    }

    /// The same with so many shards, 1 to 32, a power of two: by default there is one for each 64 routes that there is room for.
    ///
    /// ```
    /// use atrion::engine::{Engine, Handle, Limits};
    ///
    /// let engine = Engine::with_shards(Limits::of_routes(10), 4);
    /// let mut handle = Handle::new(engine.clone());
    /// let slots: Vec<_> = ["a", "b", "c", "d"].map(|name| handle.intern(name.into(), 0.0)).into();
    /// assert_eq!((slots, engine.len()), (vec![0, 1, 2, 3], 4));
    /// ```
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn with_shards(limits: Limits, shards: u32) -> Arc<Self> {
        Arc::new(Self { shards: Shards::new(limits, Some(shards)), ..Self::alone(limits) })
    }

    fn alone(limits: Limits) -> Self {
        Self {
            limits,
            names: names::Names::default(),
            table: Mutex::new(Table::new(limits, ids::ShardId::ONLY, routes::Pools::default())),
            params: ParamsTable::default(),
            #[cfg(not(target_family = "wasm"))]
            shards: Shards::default(),
            #[cfg(not(target_family = "wasm"))]
            replication: Mutex::default(),
        }
    }

    /// Locks the table that a slot is in; the slot in that table.
    #[cfg(not(target_family = "wasm"))]
    fn lock(&self, slot: Slot) -> (MutexGuard<'_, Table>, Slot) {
        if self.shards.count() == 0 {
            return (self.table.lock(), slot);
        }
        let bits = self.shards.bits();
        (self.shards.lock(ids::ShardId::of_slot(slot, bits)), slot >> bits)
    }

    /// The only table, and the slot.
    #[cfg(target_family = "wasm")]
    fn lock(&self, slot: Slot) -> (impl std::ops::DerefMut<Target = Table> + '_, Slot) {
        (self.table.lock(), slot)
    }

    /// Locks the table that a permit is in.
    #[cfg(not(target_family = "wasm"))]
    fn lock_permit(&self, id: PermitId) -> MutexGuard<'_, Table> {
        match self.shards.count() {
            0 => self.table.lock(),
            _ => self.shards.lock(ids::ShardId::of_permit(id, self.shards.bits())),
        }
    }

    /// The only table.
    #[cfg(target_family = "wasm")]
    fn lock_permit(&self, _: PermitId) -> impl std::ops::DerefMut<Target = Table> + '_ {
        self.table.lock()
    }

    /// The slot after the last that was ever used.
    #[cfg(not(target_family = "wasm"))]
    fn slots(&self) -> Slot {
        self.tables().map(|table| table.lock().slots()).max().unwrap_or(0)
    }

    /// The slot after the last that was ever used.
    #[cfg(target_family = "wasm")]
    fn slots(&self) -> Slot {
        self.table.lock().slots()
    }

    /// The most routes that are kept.
    #[must_use]
    pub fn max_routes(&self) -> u32 {
        self.limits.max_routes
    }

    /// The number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        #[cfg(not(target_family = "wasm"))]
        if self.shards.count() > 0 {
            return self.shards.room().len();
        }
        self.table.lock().len()
    }

    /// Returns whether there are no routes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of all routes, in no particular order.
    #[must_use]
    #[cfg(not(target_family = "wasm"))]
    pub fn names(&self) -> Vec<Name> {
        let _room = self.shards.room();
        self.tables().flat_map(|table| table.lock().names()).collect()
    }

    /// The names of all routes, in no particular order.
    #[cfg(target_family = "wasm")]
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.table.lock().names()
    }
}
