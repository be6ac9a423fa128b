//! A handle's view of evictions: which slots it may not trust any more.

use std::collections::VecDeque;

#[cfg(target_family = "wasm")]
use super::engine_ref::At;
use super::{Handle, ids::Slot, routes::Table};

/// An eviction that a handle reports.
///
/// ```
/// use atrion::engine::{Evicted, Handle, Limits};
///
/// let mut handle = Handle::alone(Limits::of_routes(1));
/// let first = handle.intern("a".into(), 0.0);
/// handle.intern("b".into(), 1.0);
/// assert_eq!(handle.evicted(), Some(Evicted::Slot(first)));
/// assert_eq!(handle.evicted(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// The route of this slot was evicted.
    Slot(Slot),
    /// More were evicted than are remembered: no slot is to be trusted.
    All,
}

impl Handle {
    /// The next eviction that this handle has not reported yet.
    #[cfg(not(target_family = "wasm"))]
    pub fn evicted(&mut self) -> Option<Evicted> {
        self.unreported.pop_front()
    }

    /// The next eviction that this handle has not reported yet: read where the table keeps it, since nothing decides in between.
    #[cfg(target_family = "wasm")]
    pub fn evicted(&mut self) -> Option<Evicted> {
        let At { table, seen, .. } = self.engine_ref.at(0);
        let next = table.evicted_since(*seen).map(|mut slots| slots.next());
        *seen = match next {
            Some(None) => return None,
            Some(_) => *seen + 1,
            None => table.evictions(),
        };
        Some(next.flatten().map_or(Evicted::All, Evicted::Slot))
    }

    /// Records what was evicted since the last call; true when anything was: then no slot is to be trusted. In wasm no other
    /// handle evicts, and the host reads evictions after each call that may evict.
    #[inline]
    pub(super) fn see_evictions(table: &Table, seen: &mut u64, unreported: &mut VecDeque<Evicted>) -> bool {
        if cfg!(target_family = "wasm") || table.evictions() == *seen {
            return false;
        }
        Self::record_evictions(table, seen, unreported);
        true
    }

    #[cold]
    #[inline(never)]
    fn record_evictions(table: &Table, seen: &mut u64, unreported: &mut VecDeque<Evicted>) {
        match table.evicted_since(*seen) {
            Some(slots) => slots.for_each(|slot| unreported.push_back(Evicted::Slot(table.global(slot)))),
            None => {
                unreported.clear();
                unreported.push_back(Evicted::All);
            }
        }
        *seen = table.evictions();
    }
}
