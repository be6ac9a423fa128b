//! A handle's reference to its engine: owned, or shared with other handles.
//!
//! An uncontended lock is still two atomic read-modify-writes, which the processor overlaps with nothing: 3 ns of a decision's
//! 70, and 14 of an acquire and release. An owned engine does without.

use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use super::{Engine, names::Names, params::ParamsTable, routes::Table};
use crate::sync::Mutex;
#[cfg(not(target_family = "wasm"))]
use crate::sync::MutexGuard;

/// An engine, owned or shared.
#[derive(Debug)]
pub enum EngineRef {
    /// No other handle refers to the engine.
    Owned(Box<Engine>),
    /// Other handles may refer to the engine, on other threads.
    #[cfg(not(target_family = "wasm"))]
    Shared(Arc<Engine>),
}

/// Exclusive access to the table for as long as this lives.
pub enum TableGuard<'a> {
    Owned(&'a mut Table),
    #[cfg(not(target_family = "wasm"))]
    Locked(MutexGuard<'a, Table>),
}

impl EngineRef {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        match self {
            Self::Owned(engine) => engine,
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(engine) => engine,
        }
    }

    /// The table and the parameters.
    #[inline]
    pub fn table(&mut self) -> (TableGuard<'_>, &ParamsTable) {
        let (table, params, _) = self.parts();
        (table, params)
    }

    /// The table, the parameters and the names.
    #[inline]
    pub fn parts(&mut self) -> (TableGuard<'_>, &ParamsTable, &Names) {
        match self {
            Self::Owned(engine) => {
                let Engine { table, params, names, .. } = &mut **engine;
                (TableGuard::Owned(Mutex::get_mut(table)), params, names)
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(engine) => (TableGuard::Locked(engine.table.lock()), &engine.params, &engine.names),
        }
    }
}

impl Deref for TableGuard<'_> {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        match self {
            Self::Owned(table) => table,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(table) => table,
        }
    }
}

impl DerefMut for TableGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Table {
        match self {
            Self::Owned(table) => table,
            #[cfg(not(target_family = "wasm"))]
            Self::Locked(table) => table,
        }
    }
}
