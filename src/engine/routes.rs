//! The table of routes: states, closed loops, pools; bounded, the least recently used route evicted first.
//!
//! Evictions are numbered and the newest are kept, so that every handle can learn which of its slots were evicted.
//!
//! One file, because slots, closed loops and pools change together.

#[cfg(not(target_family = "wasm"))]
mod image;
mod pools;

#[cfg(not(target_family = "wasm"))]
pub use pools::SharedPools;
pub use pools::{CapacityRef, Pools};

use super::{
    Limits,
    ids::{PermitId, ShardId, Slot},
    limiter::{Capacity, Limiter},
    lru::{Lru, NONE},
    names::Name,
    permits::{Permit, Permits},
};
use crate::{
    physics::{params::RouteParams, peers::Blend, tick::RouteState},
    units::{Millis, Ohms},
};

use pools::NO_POOL;

/// Routes looked at for one without work in flight, before one with is evicted.
const EVICTION_CANDIDATES: usize = 16;
/// Evictions kept for handles that have not seen them yet.
const EVICTIONS_KEPT: usize = 1024;

/// The closed loop of a route, and the capacity that its work counts against.
#[derive(Debug)]
struct Closed {
    limiter: Limiter,
    /// The route's capacity while it is in no pool.
    own: Capacity,
    /// The pool that its parameters named when it last joined one.
    params_pool: u64,
    /// The index of its pool; `NO_POOL`: none.
    pool: usize,
}

/// The part of other nodes in a route: their reports, and the scar that was inherited from them.
#[derive(Debug, Clone, Copy)]
pub struct PeerPart {
    /// Their reports on it.
    pub blend: Blend,
    /// The part of its scar that was inherited from a store of their reports, Ω, until they report it themselves.
    pub inherited: Ohms,
    /// The time at which it was inherited, ms.
    pub inherited_at_ms: Millis,
}

impl PeerPart {
    /// A route without one.
    const NONE: Self = Self { blend: Blend::NONE, inherited: 0.0, inherited_at_ms: 0.0 };
}

/// The table: see the module.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    lru: Lru,
    names: Vec<Option<Name>>,
    free: Vec<Slot>,
    len: usize,
    name_bytes: usize,
    /// The newest evictions, number n at n modulo `EVICTIONS_KEPT`.
    evicted: Vec<Slot>,
    evictions: u64,
    /// Closed loops, of the routes that have one: empty until a permit is requested.
    limiters: Vec<Option<Box<Closed>>>,
    pools: Pools,
    permits: Permits,
    generations: u32,
    /// The parts of other nodes in the routes; as long as the table once there is one.
    peer_parts: Vec<PeerPart>,
    /// The shard that it is.
    shard: ShardId,
    /// True when requests are decided and counted, but all admitted.
    pub dry_run: bool,
}

/// A route with its closed loop.
pub struct LimitedRoute<'a> {
    /// The route's state.
    pub state: &'a mut RouteState,
    /// The reports of other nodes on it.
    pub peers: Option<&'a Blend>,
    /// The route's closed loop.
    pub limiter: &'a mut Limiter,
    /// The capacity, its own or its pool's.
    pub capacity: CapacityRef<'a>,
    /// The permits of all routes.
    pub permits: &'a mut Permits,
    /// The shard that it is in.
    pub shard: &'a ShardId,
}

impl Table {
    pub fn new(limits: Limits, shard: ShardId, pools: Pools) -> Self {
        Self {
            limits,
            lru: Lru::default(),
            names: Vec::new(),
            free: Vec::new(),
            len: 0,
            name_bytes: 0,
            evicted: Vec::new(),
            evictions: 0,
            limiters: Vec::new(),
            pools,
            permits: Permits::new(shard),
            generations: shard.slot(0),
            peer_parts: Vec::new(),
            shard,
            dry_run: false,
        }
    }

    /// The slot by which others know a slot of this table.
    #[inline]
    pub fn global(&self, slot: Slot) -> Slot {
        self.shard.slot(slot)
    }

    /// The bounds of its memory.
    #[cfg(not(target_family = "wasm"))]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of evictions so far: a handle that has seen them all may trust its slots.
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

    /// Marks the numbers of parameters that a route uses; there are 2^16.
    #[cfg(not(target_family = "wasm"))]
    pub fn mark_params_in_use(&mut self, used: &mut [bool]) {
        for slot in 0..self.names.len() as Slot {
            if self.holds(slot) {
                let params = self.state(slot).params_id;
                used[usize::from(params)] = true;
            }
        }
    }

    /// The slot after the last that was ever used.
    pub fn slots(&self) -> Slot {
        self.shard.slot(self.names.len() as Slot)
    }

    /// Returns whether there is a route in that slot.
    pub fn holds(&self, slot: Slot) -> bool {
        self.names.get(slot as usize).is_some_and(Option::is_some)
    }

    /// The state in that slot, which must hold a route.
    #[inline]
    pub fn state(&mut self, slot: Slot) -> &mut RouteState {
        self.lru.state(slot)
    }

    /// The state in that slot, and the slot used next after it, where no other node has a part in the route. None: one has, or there is no
    /// route.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    pub fn alone(&self, slot: Slot) -> Option<(&RouteState, Slot)> {
        let is_alone = self.peer_parts.get(slot as usize).is_none_or(|part| part.blend == Blend::NONE);
        if is_alone { self.lru.get(slot) } else { None }
    }

    /// The order of use.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    pub fn lru(&mut self) -> &mut Lru {
        &mut self.lru
    }

    /// Makes the route in that slot the most recently used; its state, and what other nodes report of it. None: no route.
    #[inline]
    pub fn touch(&mut self, slot: Slot) -> Option<(&mut RouteState, Option<&Blend>)> {
        let state = self.lru.touch(slot)?;
        Some((state, self.peer_parts.get(slot as usize).map(|part| &part.blend)))
    }

    /// Puts a route in a slot, evicting others if it must: `forget` is called with every evicted name.
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
        self.place(name, state)
    }

    /// Evicts the least recently used route; its name. None: there is no route.
    #[cfg(not(target_family = "wasm"))]
    pub fn evict(&mut self) -> Option<Name> {
        if self.len == 0 {
            return None;
        }
        let victim = self.victim();
        self.remove(victim)
    }

    /// Puts a route in a slot, whether or not there is room for it.
    pub fn place(&mut self, name: Name, state: RouteState) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        self.len += 1;
        self.name_bytes += name.len();
        self.names[slot as usize] = Some(name);
        self.lru.insert(slot, state);
        slot
    }

    /// The least recently used route without work in flight, of the first few; or else the least recently used.
    fn victim(&mut self) -> Slot {
        let mut slot = self.lru.oldest();
        for _ in 0..EVICTION_CANDIDATES {
            let busy =
                self.limiters.get(slot as usize).and_then(Option::as_deref).is_some_and(|it| it.limiter.is_busy());
            if !busy && !self.lru.is_cursor(slot) {
                return slot;
            }
            slot = match self.lru.newer(slot) {
                NONE => break,
                newer => newer,
            };
        }
        let oldest = self.lru.oldest();
        if self.lru.is_cursor(oldest) { self.lru.newer(oldest) } else { oldest }
    }

    /// The next route that was used since the last call, the least recently used first; at first every route.
    pub fn next_dirty(&mut self) -> Option<Slot> {
        if !self.lru.has_cursor() {
            let slot = self.free.pop().unwrap_or_else(|| self.grow());
            self.lru.place_cursor(slot);
        }
        self.lru.advance_cursor()
    }

    /// The part of other nodes in the route in that slot.
    pub fn peer_part(&self, slot: Slot) -> Option<&PeerPart> {
        self.peer_parts.get(slot as usize)
    }

    /// The same, to be changed; the slot must hold a route.
    #[inline(never)]
    pub fn peer_part_mut(&mut self, slot: Slot) -> &mut PeerPart {
        while self.peer_parts.len() < self.names.len() {
            self.peer_parts.push(PeerPart::NONE);
        }
        &mut self.peer_parts[slot as usize]
    }

    /// Clears the parts of other nodes in all routes.
    #[cfg(not(target_family = "wasm"))]
    pub fn clear_peer_parts(&mut self) {
        self.peer_parts = Vec::new();
    }

    /// Makes the route in that slot, which must hold one, the least recently used.
    pub fn demote(&mut self, slot: Slot) {
        self.lru.demote(slot);
    }

    /// The name of the route in that slot.
    pub fn name(&self, slot: Slot) -> Option<&Name> {
        self.names.get(slot as usize)?.as_ref()
    }

    /// The closed loop of the route in that slot.
    pub fn limiter_of(&self, slot: Slot) -> Option<&Limiter> {
        Some(&self.limiters.get(slot as usize)?.as_deref()?.limiter)
    }

    /// The route in that slot with its closed loop, if it has one.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    #[cfg_attr(target_family = "wasm", inline)]
    pub fn limited(&mut self, slot: Slot) -> Option<LimitedRoute<'_>> {
        let Closed { limiter, own, pool, .. } = self.limiters.get_mut(slot as usize)?.as_deref_mut()?;
        let capacity = self.pools.capacity(*pool, own);
        let state = self.lru.state(slot);
        Some(LimitedRoute {
            state,
            peers: self.peer_parts.get(slot as usize).map(|part| &part.blend),
            limiter,
            capacity,
            permits: &mut self.permits,
            shard: &self.shard,
        })
    }

    /// Gives the route in that slot a closed loop if it has none, and the pool that its parameters name.
    #[inline]
    pub fn ensure_limiter(&mut self, slot: Slot, params: &RouteParams, now_ms: Millis) {
        match self.limiters.get(slot as usize) {
            Some(Some(closed)) if closed.params_pool == params.pool => {}
            _ => self.make_limiter(slot, params, now_ms),
        }
    }

    #[cold]
    #[inline(never)]
    fn make_limiter(&mut self, slot: Slot, params: &RouteParams, now_ms: Millis) {
        while self.limiters.len() <= slot as usize {
            self.limiters.push(None);
        }
        if self.limiters[slot as usize].is_none() {
            self.generations = self.generations.wrapping_add(self.shard.step());
            let state = self.lru.state(slot);
            let limiter = Limiter::new(self.generations, state, params, now_ms);
            let own = Capacity::new(params, false, now_ms);
            self.limiters[slot as usize] = Some(Box::new(Closed { limiter, own, params_pool: 0, pool: NO_POOL }));
        }
        let Some(closed) = self.limiters[slot as usize].as_deref_mut() else { return };
        closed.params_pool = params.pool;
        let load = *closed.limiter.load();
        let joins = self.pools.enter(params, now_ms);
        let leaves = std::mem::replace(&mut closed.pool, joins);
        self.pools.leave(leaves, &mut closed.own, &load, now_ms);
        self.pools.capacity(joins, &mut closed.own).join(&load, now_ms);
    }

    /// The permit of that number, unless it was released.
    pub fn permit(&self, id: PermitId) -> Option<&Permit> {
        self.permits.get(id)
    }

    /// The event loop was blocked in that time, ms: see [`Limiter::blocked`].
    #[cfg(not(target_family = "wasm"))]
    pub fn blocked(&mut self, since_ms: Millis, until_ms: Millis) {
        for closed in self.limiters.iter_mut().flatten() {
            closed.limiter.blocked(since_ms, until_ms);
        }
    }

    /// Postpones the admission of a permit that is about to be released, ms.
    #[cfg(not(target_family = "wasm"))]
    pub fn postpone(&mut self, id: PermitId, by_ms: Millis) {
        self.permits.postpone(id, by_ms);
    }

    /// Empties a slot and numbers the eviction; the name of the removed route.
    pub fn remove(&mut self, slot: Slot) -> Option<Name> {
        let name = self.names.get_mut(slot as usize)?.take()?;
        self.lru.remove(slot);
        if let Some(mut closed) = self.limiters.get_mut(slot as usize).and_then(Option::take) {
            closed.limiter.close(&mut self.permits);
            let load = *closed.limiter.load();
            // The time is not known, and does not matter.
            self.pools.leave(closed.pool, &mut closed.own, &load, f64::NEG_INFINITY);
        }
        if let Some(part) = self.peer_parts.get_mut(slot as usize) {
            *part = PeerPart::NONE;
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
        self.lru.grow(slot);
        self.names.push(None);
        slot as Slot
    }
}
