//! The routes' states: dense, bounded, least recently used first out.
//!
//! A route lives in a slot; slots lie in blocks that never move, so a table grows without copying. Use is recorded in a
//! list threaded through the slots, so that finding the least recently used costs the same at a thousand routes and at
//! a million. Evictions are numbered and the newest are kept, so that every handle can learn which of its slots are gone.

use super::{
    Limits,
    guard::Guard,
    house::House,
    names::Name,
    permits::{Permit, PermitId, Permits},
};
use crate::{
    physics::{cluster::Share, law::Law, queue::Queue, tick::RouteState},
    units::Millis,
};

/// Pools of routes that share a limit.
const MOST_POOLS: usize = 1024;
/// Stands for the pool of a route that has a limit of its own.
const ALONE: usize = usize::MAX;

/// Where a route lives.
pub type Slot = u32;

const NONE: Slot = Slot::MAX;
/// Routes that are made room for at once.
const BLOCK: usize = 64;
/// Routes looked at to spare one with work in flight.
const IDLE_SOUGHT: usize = 16;
/// Evictions kept for handles that have not asked yet.
const EVICTIONS_KEPT: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Entry {
    state: RouteState,
    /// Towards the most recently used.
    newer: Slot,
    /// Towards the least recently used.
    older: Slot,
}

/// A route's closed loop, and where its work counts.
#[derive(Debug)]
struct Closed {
    guard: Guard,
    /// Its house while it is in no pool.
    own: House,
    /// What its law said of a pool when that was last looked at.
    asked_pool: u64,
    /// The index of its pool; `ALONE`: none.
    pool: usize,
}

/// Routes that share a house.
#[derive(Debug)]
struct Pool {
    id: u64,
    house: House,
    routes: u32,
}

/// What a route costs besides its name and the map from name to slot, bytes.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// See the module.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    /// Arrays, not slices: an index into one needs no check.
    blocks: Vec<Box<[Entry; BLOCK]>>,
    names: Vec<Option<Name>>,
    free: Vec<Slot>,
    newest: Slot,
    oldest: Slot,
    len: usize,
    name_bytes: usize,
    /// The newest evictions, number n at n modulo `EVICTIONS_KEPT`.
    evicted: Vec<Slot>,
    evictions: u64,
    /// Closed loops, of the routes that have one: shorter than the table while nobody asks for permits.
    guards: Vec<Option<Box<Closed>>>,
    pools: Vec<Pool>,
    permits: Permits,
    births: u32,
    /// What other nodes say of the routes; as long as the table once somebody listens.
    shares: Vec<Share>,
    /// A slot without a route that lies in the list of use: what is newer was used since the marker was last moved.
    marker: Slot,
    /// The queue in front of the process.
    pub queue: Queue,
    /// Decide and count, but admit everybody.
    pub dry_run: bool,
}

/// A route with its closed loop.
pub struct Guarded<'a> {
    /// Its state.
    pub state: &'a mut RouteState,
    /// What other nodes say of it.
    pub others: Option<&'a Share>,
    /// Its closed loop.
    pub guard: &'a mut Guard,
    /// The limit, its own or its pool's.
    pub house: &'a mut House,
    /// The permits of all routes.
    pub permits: &'a mut Permits,
}

impl Table {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            blocks: Vec::new(),
            names: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            len: 0,
            name_bytes: 0,
            evicted: Vec::new(),
            evictions: 0,
            guards: Vec::new(),
            pools: Vec::new(),
            permits: Permits::default(),
            births: 0,
            shares: Vec::new(),
            marker: NONE,
            queue: Queue::default(),
            dry_run: false,
        }
    }

    pub fn max_routes(&self) -> u32 {
        self.limits.max_routes
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// How many evictions there have been: a handle that has heard of them all may trust its slots.
    #[inline]
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// The slots evicted since there had been `seen` evictions; None when that is more than is kept.
    pub fn evicted_since(&self, seen: u64) -> Option<impl Iterator<Item = Slot> + '_> {
        let kept = self.evictions - seen <= EVICTIONS_KEPT as u64;
        kept.then(|| (seen..self.evictions).map(|number| self.evicted[number as usize % EVICTIONS_KEPT]))
    }

    pub fn names(&self) -> Vec<Name> {
        self.names.iter().flatten().cloned().collect()
    }

    /// Of each law whether it governs a route.
    #[cfg(not(target_family = "wasm"))]
    pub fn laws_in_use(&mut self) -> Vec<bool> {
        let mut used = vec![false; 1 << 16];
        for slot in 0..self.names.len() as Slot {
            if self.holds(slot) {
                let law = self.state(slot).law;
                used[usize::from(law)] = true;
            }
        }
        used
    }

    /// Is there a route in that slot?
    pub fn holds(&self, slot: Slot) -> bool {
        self.names.get(slot as usize).is_some_and(Option::is_some)
    }

    #[inline]
    fn entry(&mut self, slot: Slot) -> &mut Entry {
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    /// The state in that slot, which must hold a route.
    #[inline]
    pub fn state(&mut self, slot: Slot) -> &mut RouteState {
        &mut self.entry(slot).state
    }

    /// The state in that slot, now the most recently used, and what other nodes say of the route; None when there is none.
    #[inline]
    pub fn touch(&mut self, slot: Slot) -> Option<(&mut RouteState, Option<&Share>)> {
        let block = self.blocks.get(slot as usize / BLOCK)?;
        if block[slot as usize % BLOCK].newer == slot {
            return None;
        }
        if self.newest != slot {
            self.unlink(slot);
            self.link_after(slot, self.newest);
        }
        let state = &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK].state;
        Some((state, self.shares.get(slot as usize)))
    }

    /// Puts a route in a slot, making room if it must: `forget` hears of every name that goes.
    pub fn insert(&mut self, name: Name, state: RouteState, mut forget: impl FnMut(&Name)) -> Slot {
        while self.len > 0
            && (self.len >= self.limits.max_routes as usize
                || self.name_bytes + name.len() > self.limits.max_name_bytes)
        {
            let victim = self.victim();
            if let Some(gone) = self.remove(victim) {
                forget(&gone);
            }
        }
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        self.len += 1;
        self.name_bytes += name.len();
        self.names[slot as usize] = Some(name);
        self.entry(slot).state = state;
        self.link_after(slot, self.newest);
        slot
    }

    /// The least recently used route without work in flight; among the first few, or else the very least recently used.
    fn victim(&mut self) -> Slot {
        let mut slot = self.oldest;
        for _ in 0..IDLE_SOUGHT {
            let busy = self.guards.get(slot as usize).and_then(Option::as_deref).is_some_and(|it| it.guard.is_busy());
            if !busy && slot != self.marker {
                return slot;
            }
            slot = match self.entry(slot).newer {
                NONE => break,
                newer => newer,
            };
        }
        if self.oldest == self.marker { self.entry(self.oldest).newer } else { self.oldest }
    }

    /// The next route that was used since this was last asked, the least recently used first; every route, the first time.
    pub fn next_used(&mut self) -> Option<Slot> {
        if self.marker == NONE {
            self.marker = self.free.pop().unwrap_or_else(|| self.grow());
            self.link_after(self.marker, NONE);
        }
        let marker = self.marker;
        let slot = self.entry(marker).newer;
        if slot == NONE {
            return None;
        }
        self.unlink(marker);
        self.link_after(marker, slot);
        Some(slot)
    }

    /// What other nodes say of the route in that slot.
    pub fn share(&self, slot: Slot) -> Option<&Share> {
        self.shares.get(slot as usize)
    }

    /// Other nodes say this of the route in that slot, which must hold one.
    pub fn set_share(&mut self, slot: Slot, share: Share) {
        while self.shares.len() < self.names.len() {
            self.shares.push(Share::NONE);
        }
        self.shares[slot as usize] = share;
    }

    /// Nobody else speaks of any route.
    #[cfg(not(target_family = "wasm"))]
    pub fn silence(&mut self) {
        self.shares = Vec::new();
    }

    /// The route in that slot, which must hold one, goes before all others.
    pub fn demote(&mut self, slot: Slot) {
        self.unlink(slot);
        self.link_after(slot, NONE);
    }

    /// The name of the route in that slot.
    pub fn name(&self, slot: Slot) -> Option<&Name> {
        self.names.get(slot as usize)?.as_ref()
    }

    /// The closed loop of the route in that slot.
    pub fn guard_of(&self, slot: Slot) -> Option<&Guard> {
        Some(&self.guards.get(slot as usize)?.as_deref()?.guard)
    }

    /// The route in that slot with its closed loop, if it has one.
    #[inline]
    pub fn guarded(&mut self, slot: Slot) -> Option<Guarded<'_>> {
        let Closed { guard, own, pool, .. } = self.guards.get_mut(slot as usize)?.as_deref_mut()?;
        let house = match self.pools.get_mut(*pool) {
            None => own,
            Some(pool) => &mut pool.house,
        };
        let state = &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK].state;
        Some(Guarded { state, others: self.shares.get(slot as usize), guard, house, permits: &mut self.permits })
    }

    /// Gives the route in that slot a closed loop if it has none, and the pool that its law names.
    #[inline]
    pub fn guard(&mut self, slot: Slot, law: &Law, now_ms: Millis) {
        match self.guards.get(slot as usize) {
            Some(Some(closed)) if closed.asked_pool == law.pool => {}
            _ => self.guard_anew(slot, law, now_ms),
        }
    }

    #[cold]
    #[inline(never)]
    fn guard_anew(&mut self, slot: Slot, law: &Law, now_ms: Millis) {
        while self.guards.len() <= slot as usize {
            self.guards.push(None);
        }
        if self.guards[slot as usize].is_none() {
            self.births = self.births.wrapping_add(1);
            let state = &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK].state;
            let guard = Guard::new(self.births, state, law, now_ms);
            let own = House::new(law, false, now_ms);
            self.guards[slot as usize] = Some(Box::new(Closed { guard, own, asked_pool: 0, pool: ALONE }));
        }
        let joins = if law.pool == 0 { ALONE } else { self.pool(law, now_ms) };
        let Some(closed) = self.guards[slot as usize].as_deref_mut() else { return };
        closed.asked_pool = law.pool;
        let leaves = std::mem::replace(&mut closed.pool, joins);
        let load = *closed.guard.load();
        if let Some(pool) = self.pools.get_mut(leaves) {
            pool.routes -= 1;
            pool.house.part(&load, now_ms);
        } else {
            closed.own.part(&load, now_ms);
        }
        if let Some(pool) = self.pools.get_mut(joins) {
            pool.routes += 1;
            pool.house.join(&load, now_ms);
        } else {
            closed.own.join(&load, now_ms);
        }
    }

    /// The index of the pool that a law names, made when it is new; `ALONE` when there are too many.
    fn pool(&mut self, law: &Law, now_ms: Millis) -> usize {
        let known = self.pools.iter().position(|pool| pool.id == law.pool);
        known.unwrap_or_else(|| {
            let fresh = Pool { id: law.pool, house: House::new(law, true, now_ms), routes: 0 };
            let vacant = self.pools.iter().position(|pool| pool.routes == 0);
            match vacant {
                Some(at) => self.pools[at] = fresh,
                None if self.pools.len() < MOST_POOLS => self.pools.push(fresh),
                None => return ALONE,
            }
            vacant.unwrap_or(self.pools.len() - 1)
        })
    }

    /// The permit of that number, if it is still out.
    pub fn permit(&self, id: PermitId) -> Option<&Permit> {
        self.permits.get(id)
    }

    /// Empties a slot and numbers the eviction; the name that was in it.
    pub fn remove(&mut self, slot: Slot) -> Option<Name> {
        let name = self.names.get_mut(slot as usize)?.take()?;
        self.unlink(slot);
        self.entry(slot).newer = slot; // newer than itself: vacant
        if let Some(mut closed) = self.guards.get_mut(slot as usize).and_then(Option::take) {
            closed.guard.close(&mut self.permits);
            if let Some(pool) = self.pools.get_mut(closed.pool) {
                pool.routes -= 1;
                pool.house.part(closed.guard.load(), f64::NEG_INFINITY); // the time is not known, and does not matter
            }
        }
        if let Some(share) = self.shares.get_mut(slot as usize) {
            *share = Share::NONE;
        }
        self.len -= 1;
        self.name_bytes -= name.len();
        self.free.push(slot);
        match self.evicted.get_mut(self.evictions as usize % EVICTIONS_KEPT) {
            Some(oldest) => *oldest = slot,
            None => self.evicted.push(slot),
        }
        self.evictions += 1;
        Some(name)
    }

    /// A slot that was never used.
    fn grow(&mut self) -> Slot {
        let slot = self.names.len();
        if slot == self.blocks.len() * BLOCK {
            let vacant = |i| Entry { state: VACANT, newer: (slot + i) as Slot, older: NONE };
            self.blocks.push(Box::new(std::array::from_fn(vacant)));
        }
        self.names.push(None);
        slot as Slot
    }

    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    /// Links a slot in as just newer than `older`, or as the oldest of all.
    fn link_after(&mut self, slot: Slot, older: Slot) {
        let newer = if older == NONE { self.oldest } else { self.entry(older).newer };
        let entry = self.entry(slot);
        (entry.newer, entry.older) = (newer, older);
        match older {
            NONE => self.oldest = slot,
            _ => self.entry(older).newer = slot,
        }
        match newer {
            NONE => self.newest = slot,
            _ => self.entry(newer).older = slot,
        }
    }

    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn unlink(&mut self, slot: Slot) {
        let Entry { newer, older, .. } = *self.entry(slot);
        match newer {
            NONE => self.newest = older,
            _ => self.entry(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => self.entry(older).newer = newer,
        }
    }
}

/// What an unused slot, and the marker, hold.
const VACANT: RouteState = RouteState {
    pressure: [0.0; 3],
    previous_pressure: [0.0; 3],
    momentum: 0.0,
    scar: 0.0,
    resistance: 0.0,
    last_updated_ms: 0.0,
    recovery_started_ms: 0.0,
    moments: crate::physics::tuner::Moments { mean: 0.0, variance: 0.0 },
    moments_count: 0,
    ticks: 0,
    rejected_samples: 0,
    law: 0,
    mode: crate::physics::mode::Mode::Bootstrap,
    order: crate::physics::tick::Order::None,
};
