//! A handle's reference to its engine: owned, or shared with other handles.
//!
//! An uncontended lock is still two atomic read-modify-writes, which the processor overlaps with nothing: 3 ns of a decision's
//! 70, and 14 of an acquire and release. An owned engine does without.

use std::ops::{Deref, DerefMut};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

#[cfg(not(target_family = "wasm"))]
use super::ids::ShardId;
use super::{
    Engine,
    ids::{PermitId, Slot},
    names::Names,
    params::ParamsTable,
    routes::Table,
};
use crate::sync::Mutex;
#[cfg(not(target_family = "wasm"))]
use crate::sync::MutexGuard;

/// An engine, owned or shared, and the evictions of it that the handle has seen.
#[derive(Debug)]
pub enum EngineRef {
    /// No other handle refers to the engine.
    Owned(Box<Engine>, u64),
    /// Other handles may refer to the engine, on other threads.
    #[cfg(not(target_family = "wasm"))]
    Shared(View),
}

/// A view of an engine with shards.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct View {
    pub engine: Arc<Engine>,
    /// The evictions that were seen, by shard.
    pub seen: Box<[u64]>,
    /// The shard in which used routes are looked for next.
    pub dirty: usize,
}

/// Exclusive access to the table for as long as this lives.
pub enum TableGuard<'a> {
    Owned(&'a mut Table),
    #[cfg(not(target_family = "wasm"))]
    Locked(MutexGuard<'a, Table>),
}

/// The table of a slot or a permit.
pub struct At<'a> {
    /// The table.
    pub table: TableGuard<'a>,
    /// The slot in that table.
    pub slot: Slot,
    /// The evictions from that table that the handle has seen.
    pub seen: &'a mut u64,
    /// The parameters.
    pub params: &'a ParamsTable,
}

/// All that an owned engine is made of.
pub struct Owned<'a> {
    pub table: &'a mut Table,
    pub params: &'a ParamsTable,
    pub names: &'a Names,
    pub seen: &'a mut u64,
}

impl EngineRef {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        match self {
            Self::Owned(engine, _) => engine,
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(view) => &view.engine,
        }
    }

    /// The parts of an owned engine; None where it is shared.
    #[inline]
    #[cfg_attr(target_family = "wasm", allow(clippy::unnecessary_wraps, reason = "there it is always owned"))]
    pub fn owned(&mut self) -> Option<Owned<'_>> {
        match self {
            Self::Owned(engine, seen) => {
                let Engine { table, params, names, .. } = &mut **engine;
                Some(Owned { table: Mutex::get_mut(table), params, names, seen })
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(_) => None,
        }
    }

    /// The table that a slot is in.
    #[inline]
    pub fn at(&mut self, slot: Slot) -> At<'_> {
        match self {
            Self::Owned(engine, seen) => {
                let Engine { table, params, .. } = &mut **engine;
                At { table: TableGuard::Owned(Mutex::get_mut(table)), slot, seen, params }
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(view) => {
                let bits = view.engine.shards.bits();
                view.at(ShardId::of_slot(slot, bits), slot >> bits)
            }
        }
    }

    /// The table that a permit is in; the slot is none.
    #[inline]
    #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "there is one table"))]
    pub fn at_permit(&mut self, id: PermitId) -> At<'_> {
        match self {
            Self::Owned(engine, seen) => {
                let Engine { table, params, .. } = &mut **engine;
                At { table: TableGuard::Owned(Mutex::get_mut(table)), slot: Slot::MAX, seen, params }
            }
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(view) => view.at(ShardId::of_permit(id, view.engine.shards.bits()), Slot::MAX),
        }
    }

    /// Calls `f` with every table, one after the other.
    pub fn each(&mut self, mut f: impl FnMut(&mut Table)) {
        match self {
            Self::Owned(engine, _) => f(Mutex::get_mut(&mut engine.table)),
            #[cfg(not(target_family = "wasm"))]
            Self::Shared(view) => view.engine.tables().for_each(|table| f(&mut table.lock())),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl View {
    /// A view that has seen the evictions so far.
    pub fn new(engine: Arc<Engine>) -> Self {
        let seen = engine.tables().map(|table| table.lock().evictions()).collect();
        Self { engine, seen, dirty: 0 }
    }

    #[inline]
    fn at(&mut self, shard: usize, slot: Slot) -> At<'_> {
        let Self { engine, seen, .. } = self;
        let table = TableGuard::Locked(engine.shards.lock(shard));
        At { table, slot, seen: &mut seen[shard], params: &engine.params }
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
