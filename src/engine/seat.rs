//! Where a handle sits: on an engine of its own, or on one that it shares.
//!
//! An uncontended lock is still two atomic read-modify-writes, which the processor overlaps with nothing: 3 ns of a decision's
//! 70, and 14 of an acquire and release. An engine that nobody else sees does without.

use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

#[cfg(not(target_family = "wasm"))]
use super::sync::MutexGuard;
use super::{Engine, laws::Laws, names::Names, sync::Mutex, table::Table};

/// See the module.
#[derive(Debug)]
pub enum Seat {
    /// No other handle can see the engine.
    Alone(Box<Engine>),
    /// Other handles may, on other threads.
    #[cfg(not(target_family = "wasm"))]
    Shared(Arc<Engine>),
}

/// The table, nobody else's for as long as this lives.
pub enum Held<'a> {
    Own(&'a mut Table),
    #[cfg(not(target_family = "wasm"))]
    Locked(MutexGuard<'a, Table>),
}

impl Seat {
    pub fn engine(&self) -> &Engine {
        match self {
            Self::Alone(engine) => engine,
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(engine) => engine,
        }
    }

    /// The table, and the laws.
    #[inline]
    pub fn table(&mut self) -> (Held<'_>, &Laws) {
        let (table, laws, _) = self.parts();
        (table, laws)
    }

    /// The table, the laws, and the names.
    #[inline]
    pub fn parts(&mut self) -> (Held<'_>, &Laws, &Names) {
        match self {
            Self::Alone(engine) => {
                let Engine { table, laws, names, .. } = &mut **engine;
                (Held::Own(Mutex::get_mut(table)), laws, names)
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(engine) => (Held::Locked(engine.table.lock()), &engine.laws, &engine.names),
        }
    }
}

impl Deref for Held<'_> {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        match self {
            Self::Own(table) => table,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(table) => table,
        }
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Table {
        match self {
            Self::Own(table) => table,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(table) => table,
        }
    }
}
