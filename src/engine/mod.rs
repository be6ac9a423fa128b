//! What a caller holds: an [`Engine`] with the routes, and one [`Handle`] per thread that decides with it.
//!
//! | file | what is in it |
//! |---|---|
//! | `names` | route names, whatever a caller may throw at them; in wasm, where names stay outside, `names_outside` |
//! | `table` | the routes' states, bounded, least recently used first out |
//! | `laws` | the laws by number; in wasm, where one handle is all there is, `laws_alone` |
//! | `guard` | a route's closed loop: measures, permits, and where the laws meet |
//! | `house` | a limit and what counts against it, of a route or of a pool |
//! | `permits` | what is out |
//! | `handle` | a thread's view: decisions, evictions it has not heard of |
//! | `cluster` | what other nodes say of the routes |
//! | `party` | what was said to them; not in wasm, where there is nobody |
//! | `seat` | an engine of one's own, or one that is shared |

mod cluster;
mod guard;
mod handle;
mod house;
#[cfg_attr(target_family = "wasm", path = "laws_alone.rs")]
mod laws;
#[cfg_attr(target_family = "wasm", path = "names_outside.rs")]
mod names;
#[cfg(not(target_family = "wasm"))]
mod party;
mod permits;
mod seat;
mod sync;
mod table;

#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

pub use guard::{Answer, Ask, Counts, Key, Outcome, Push, Stats, Terms, Wait};
pub use handle::{Decision, Evicted, Handle, Row};
pub use names::Name;
#[cfg(not(target_family = "wasm"))]
pub use party::Pulsed;
pub use permits::{NO_PERMIT, PermitId};
pub use table::{ENTRY_BYTES, Slot};

use laws::Laws;
use sync::Mutex;
use table::Table;

/// Bounds of an engine's memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most routes kept, 1 to 2^24.
    pub max_routes: u32,
    /// Most bytes kept of their names: a flood of giant names evicts like a flood of routes.
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

/// The routes and their laws, shared by every thread that decides with them.
///
/// One lock guards the states: a decision holds it for tens of nanoseconds, less than the bookkeeping of finer locks
/// would take. Names resolve without it.
#[derive(Debug)]
pub struct Engine {
    names: names::Names,
    table: Mutex<Table>,
    laws: Laws,
    #[cfg(not(target_family = "wasm"))]
    party: Mutex<party::Party>,
}

impl Engine {
    /// An engine without routes, to be shared by threads; law 0 is the default law.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self::bare(limits))
    }

    fn bare(limits: Limits) -> Self {
        Self {
            names: names::Names::default(),
            table: Mutex::new(Table::new(limits)),
            laws: Laws::default(),
            #[cfg(not(target_family = "wasm"))]
            party: Mutex::default(),
        }
    }

    /// How many routes there may be.
    #[must_use]
    pub fn max_routes(&self) -> u32 {
        self.table.lock().max_routes()
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of all routes, in no particular order.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.table.lock().names()
    }
}
