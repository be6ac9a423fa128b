//! The shards of a shared engine: parts of its table, each under a lock of its own, so that threads which decide on different routes seldom
//! meet.
//!
//! | lock | taken for | under |
//! |---|---|---|
//! | the room | a new route, an eviction | none |
//! | a shard | a decision | none, or the room |
//! | the directory of pools | a route that joins or leaves a pool | a shard |
//! | a pool's capacity | a decision on one of its routes | a shard, and perhaps the directory |
//!
//! A new route goes to the shard with the fewest routes, so that a few routes are each in a shard of their own, and slots stay dense. Where there
//! is no room, the least recently used route of the fullest shard goes, of equals of each in turn: with one shard that is the least recently
//! used of all; with several, which have at least [`LEAST_ROUTES`] each, it is one of the longest unused. To know the very longest, each
//! decision would have to write a number that all threads write.

use std::sync::Arc;

use super::{
    Engine, Handle, Limits,
    engine_ref::{EngineRef, View},
    ids::{ShardId, Slot},
    names::Name,
    routes::{Pools, SharedPools, Table},
};
use crate::{
    physics::tick::RouteState,
    sync::{Mutex, MutexGuard},
    units::Millis,
};
/// Most shards, a power of two: the threads of a process seldom are more, and each shard takes 8 KiB.
pub const MOST_SHARDS: usize = 32;
/// Routes for which there is room in a shard, at least.
const LEAST_ROUTES: u32 = 64;

/// A shard, in cache lines of its own: of two that processors fetch together, no other thread's lock is one.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Mutex<Table>);

/// The shards of an engine; none where it is not shared.
#[derive(Debug, Default)]
pub struct Shards {
    all: Box<[Shard]>,
    room: Mutex<Room>,
}

impl Shards {
    /// Shards for so many routes, or as many as are wanted.
    pub fn new(limits: Limits, wanted: Option<u32>) -> Self {
        let wanted = wanted.unwrap_or(limits.max_routes / LEAST_ROUTES).clamp(1, MOST_SHARDS as u32);
        let bits = wanted.ilog2();
        let pools = Arc::new(SharedPools::default());
        let shard = |index| {
            let pools = Pools::Shared(Arc::clone(&pools));
            Shard(Mutex::new(Table::new(limits, ShardId { index, bits }, pools)))
        };
        let all: Box<[Shard]> = (0..1 << bits).map(shard).collect();
        let room = Room { routes: vec![0; all.len()], ..Room::default() };
        Self { all, room: Mutex::new(room) }
    }

    /// The number of shards; 0 where the engine is not shared.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The bits of a shard's index.
    #[inline]
    pub fn bits(&self) -> u32 {
        self.all.len().trailing_zeros()
    }

    /// Locks a shard.
    #[inline]
    pub fn lock(&self, shard: usize) -> MutexGuard<'_, Table> {
        self.all[shard].0.lock()
    }

    /// The tables, in order of their shards.
    pub fn tables(&self) -> impl Iterator<Item = &Mutex<Table>> {
        self.all.iter().map(|shard| &shard.0)
    }

    /// Locks the room: while it is locked, no route is made and none is evicted.
    pub fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock()
    }
}

/// The room that the shards share.
#[derive(Debug, Default)]
pub struct Room {
    /// Routes, by shard.
    routes: Vec<usize>,
    name_bytes: usize,
    /// The shard whose turn it is, where several are equal.
    turn: usize,
}

impl Room {
    /// The number of routes.
    pub fn len(&self) -> usize {
        self.routes.iter().sum()
    }

    /// The shard from which a route has to go before one of that name comes; None: there is room for it.
    fn crowded(&self, name: &Name, limits: Limits) -> Option<usize> {
        let len = self.len();
        let is_full = len >= limits.max_routes as usize || self.name_bytes + name.len() > limits.max_name_bytes;
        (len > 0 && is_full).then(|| self.first_by(|routes| usize::MAX - routes))
    }

    /// The shard that a new route goes to.
    fn emptiest(&self) -> usize {
        self.first_by(|routes| routes)
    }

    /// The shard with the least number by `key` of its routes; of equals the next in turn.
    fn first_by(&self, key: impl Fn(usize) -> usize) -> usize {
        let shards = self.routes.len();
        (0..shards).map(|k| (self.turn + k) % shards).min_by_key(|&shard| key(self.routes[shard])).unwrap_or(0)
    }

    fn enter(&mut self, shard: usize, name: &Name) {
        self.routes[shard] += 1;
        self.name_bytes += name.len();
        self.turn = (shard + 1) % self.routes.len();
    }

    fn leave(&mut self, shard: usize, name: &Name) {
        self.routes[shard] -= 1;
        self.name_bytes -= name.len();
    }
}

impl Engine {
    /// The tables: one, or that of each shard.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Mutex<Table>> {
        let alone = if self.shards.count() == 0 { Some(&self.table) } else { None };
        alone.into_iter().chain(self.shards.tables())
    }

    /// Frees the abandoned sets of parameters that no route uses. No route gets one meanwhile: all tables are locked.
    pub(super) fn sweep_params(&self) {
        let mut used = vec![false; 1 << 16];
        let mut tables: Vec<_> = self.tables().map(Mutex::lock).collect();
        for table in &mut tables {
            table.mark_params_in_use(&mut used);
        }
        self.params.sweep(&used);
    }
}

impl Handle {
    /// The slot of a route of a shared engine, made at `now_ms` if it is new; None: the engine is this handle's own.
    pub(super) fn intern_shared(&mut self, name: &Name, now_ms: Millis) -> Option<Slot> {
        loop {
            let EngineRef::Shared(View { engine, seen, .. }) = &mut self.engine_ref else { return None };
            let (shards, names) = (&engine.shards, &engine.names);
            if let Some(slot) = names.get(name) {
                let shard = ShardId::of_slot(slot, shards.bits());
                let mut table = shards.lock(shard);
                let local = slot >> shards.bits();
                // One that was evicted in between is no name any more: names change under the lock of their slot.
                if table.name(local) == Some(name) {
                    table.touch(local);
                    Self::see_evictions(&table, &mut seen[shard], &mut self.unreported);
                    return Some(slot);
                }
                continue;
            }
            let mut room = shards.room();
            if names.get(name).is_some() {
                continue;
            }
            while let Some(shard) = room.crowded(name, engine.limits) {
                let mut table = shards.lock(shard);
                let Some(gone) = table.evict() else { break };
                names.remove(&gone);
                room.leave(shard, &gone);
                Self::see_evictions(&table, &mut seen[shard], &mut self.unreported);
            }
            self.params.refresh(&engine.params);
            let state = RouteState::new(0, self.params.get(0), now_ms);
            let shard = room.emptiest();
            let mut table = shards.lock(shard);
            let slot = table.place(name.clone(), state);
            let slot = table.global(slot);
            names.insert(name.clone(), slot);
            room.enter(shard, name);
            Self::see_evictions(&table, &mut seen[shard], &mut self.unreported);
            return Some(slot);
        }
    }

    /// Forgets a route of a shared engine; false: the engine is this handle's own.
    pub(super) fn remove_shared(&mut self, slot: Slot) -> bool {
        let EngineRef::Shared(View { engine, seen, .. }) = &mut self.engine_ref else { return false };
        let shards = &engine.shards;
        let shard = ShardId::of_slot(slot, shards.bits());
        let mut room = shards.room();
        let mut table = shards.lock(shard);
        if let Some(name) = table.remove(slot >> shards.bits()) {
            engine.names.remove(&name);
            room.leave(shard, &name);
        }
        Self::see_evictions(&table, &mut seen[shard], &mut self.unreported);
        true
    }

    /// The next used route of a shared engine, each shard's in turn.
    pub(super) fn next_dirty_shared(view: &mut View) -> Option<Slot> {
        let shards = &view.engine.shards;
        for _ in 0..shards.count() {
            let mut table = shards.lock(view.dirty);
            if let Some(slot) = table.next_dirty() {
                return Some(table.global(slot));
            }
            view.dirty = (view.dirty + 1) % shards.count();
        }
        None
    }
}
