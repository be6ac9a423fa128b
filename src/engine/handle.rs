//! A thread's view of an engine: it decides, and tracks which evictions it has not yet seen.

use std::collections::VecDeque;
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use super::{
    Engine, Evicted, Limits,
    engine_ref::{At, EngineRef, Owned},
    ids::Slot,
    names::Name,
    params::ParamsCache,
};
use crate::{
    physics::{
        params::RouteParams,
        queue::Queue,
        resistance::Parts,
        tick::{Override, RouteState},
    },
    units::{Millis, Ohms},
};

/// A view of an engine: one per thread, cheap to make, not to be shared.
///
/// ```
/// use atrion::engine::{AcquireRequest, Handle, Limits, Name, Outcome};
///
/// let mut handle = Handle::alone(Limits::of_routes(1000));
/// let slot = handle.intern(Name::from("GET /orders"), 0.0);
/// let mut permit = None;
/// handle.acquire(slot, AcquireRequest::default(), 0.0, 1.0, |result, _, _| permit = result.permit);
/// let permit = permit.expect("without evidence of overload a request is admitted");
/// assert_eq!(handle.release(permit, Outcome::Success, 6.0, |_, _, _, _| {}), Some(5.0));
/// ```
#[derive(Debug)]
pub struct Handle {
    pub(super) engine_ref: EngineRef,
    pub(super) params: ParamsCache,
    /// The queue in front of the event loop that the handle decides for: other threads have loops, and queues, of their own.
    pub(super) queue: Queue,
    pub(super) unreported: VecDeque<Evicted>,
    #[cfg(not(target_family = "wasm"))]
    pub(super) batch: super::batch::BatchState,
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Handle {
    fn drop(&mut self) {
        let added = self.params.take_added();
        self.engine_ref.engine().params.abandon(added);
    }
}

impl Handle {
    /// A view of `engine`, one of several.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self::over(EngineRef::Shared(super::engine_ref::View::new(engine)))
    }

    /// The only view of an engine of its own: it never has to lock.
    #[must_use]
    pub fn alone(limits: Limits) -> Self {
        Self::over(EngineRef::Owned(Box::new(Engine::alone(limits)), 0))
    }

    fn over(engine_ref: EngineRef) -> Self {
        let params = ParamsCache::new(&engine_ref.engine().params);
        Self {
            engine_ref,
            params,
            queue: Queue::default(),
            unreported: VecDeque::new(),
            #[cfg(not(target_family = "wasm"))]
            batch: super::batch::BatchState::default(),
        }
    }

    /// The engine this is a view of.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.engine_ref.engine()
    }

    /// The slot of a route, made at `now_ms` if it is new.
    pub fn intern(&mut self, name: Name, now_ms: Millis) -> Slot {
        #[cfg(not(target_family = "wasm"))]
        if let Some(slot) = self.intern_shared(&name, now_ms) {
            return slot;
        }
        let Some(Owned { table, params, names, seen }) = self.engine_ref.owned() else { return Slot::MAX };
        self.params.refresh(params);
        let slot = match names.get(&name) {
            Some(slot) => {
                table.touch(slot);
                slot
            }
            None => {
                let state = RouteState::new(0, self.params.get(0), now_ms);
                let slot = table.insert(name.clone(), state, |gone| names.remove(gone));
                names.insert(name, slot);
                slot
            }
        };
        Self::see_evictions(table, seen, &mut self.unreported);
        slot
    }

    /// Makes a route the most recently used; false when the slot is vacant.
    pub fn touch(&mut self, slot: Slot) -> bool {
        let At { mut table, slot, .. } = self.engine_ref.at(slot);
        table.touch(slot).is_some()
    }

    /// The slot of a route, if there is one.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<Slot> {
        self.engine().names.get(name)
    }

    /// The name of the route in that slot.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<Name> {
        let (table, slot) = self.engine().lock(slot);
        table.name(slot).cloned()
    }

    /// Forgets a route.
    pub fn remove(&mut self, slot: Slot) {
        #[cfg(not(target_family = "wasm"))]
        if self.remove_shared(slot) {
            return;
        }
        let Some(Owned { table, names, seen, .. }) = self.engine_ref.owned() else { return };
        if let Some(name) = table.remove(slot) {
            names.remove(&name);
        }
        Self::see_evictions(table, seen, &mut self.unreported);
    }

    /// Adds parameters, or replaces those of number `id`; their number. None when there are none of that number, or no room.
    ///
    /// ```
    /// use atrion::{
    ///     engine::{Handle, Limits},
    ///     physics::params::RouteParams,
    /// };
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("GET /orders".into(), 0.0);
    /// let params = RouteParams { base_resistance: 20.0, ..RouteParams::default() };
    /// let id = handle.define_params(params, None).expect("there is room");
    /// assert!(handle.set_params(slot, id) && !handle.set_params(slot, id + 1));
    /// ```
    pub fn define_params(&mut self, params: RouteParams, id: Option<u16>) -> Option<u16> {
        #[cfg(not(target_family = "wasm"))]
        if id.is_none() && self.engine_ref.engine().params.is_worth_sweeping() {
            self.engine_ref.engine().sweep_params();
        }
        self.params.define(&self.engine_ref.engine().params, params, id)
    }

    /// Gives a route the parameters of a number that was defined; false when it was not, or the slot is vacant.
    pub fn set_params(&mut self, slot: Slot, params_id: u16) -> bool {
        self.params.refresh(&self.engine_ref.engine().params);
        self.params.contains(params_id) && self.change(slot, |state| state.params_id = params_id).is_some()
    }

    /// The parts of a route's own R as it is now.
    #[must_use]
    pub fn parts(&self, slot: Slot) -> Option<Parts> {
        let (mut table, slot) = self.engine().lock(slot);
        if !table.holds(slot) {
            return None;
        }
        let state = *table.state(slot);
        Some(state.parts(table.peer_part(slot).map(|part| &part.blend), self.params.get(state.params_id)))
    }

    /// The state of a route.
    #[must_use]
    pub fn state(&self, slot: Slot) -> Option<RouteState> {
        let (mut table, slot) = self.engine().lock(slot);
        table.holds(slot).then(|| *table.state(slot))
    }

    /// Overwrites the state of a route, but for its parameters and its override.
    pub fn restore(&mut self, slot: Slot, state: RouteState) -> bool {
        self.change(slot, |old| *old = RouteState { params_id: old.params_id, manual: old.manual, ..state }).is_some()
    }

    /// Adds trauma from outside the telemetry, Ω.
    ///
    /// ```
    /// use atrion::engine::{Handle, Limits};
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("GET /orders".into(), 0.0);
    /// handle.traumatise(slot, 5.0, 1.0);
    /// assert_eq!(handle.state(slot).map(|state| state.scar), Some(5.0));
    /// ```
    pub fn traumatise(&mut self, slot: Slot, ohms: Ohms, now_ms: Millis) {
        let At { mut table, slot, params, .. } = self.engine_ref.at(slot);
        self.params.refresh(params);
        if let Some((state, peers)) = table.touch(slot) {
            state.traumatise(peers, self.params.get(state.params_id), ohms, now_ms);
        }
    }

    /// Overrides a route's decisions, or leaves them to the physics.
    ///
    /// ```
    /// use atrion::{
    ///     engine::{AcquireRequest, Handle, Limits},
    ///     physics::tick::Override,
    /// };
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("GET /orders".into(), 0.0);
    /// handle.set_override(slot, Override::Open);
    /// let mut permit = None;
    /// handle.acquire(slot, AcquireRequest::default(), 0.0, 0.0, |result, _, _| permit = result.permit);
    /// assert_eq!(permit, None, "an open breaker refuses every request");
    /// ```
    pub fn set_override(&mut self, slot: Slot, manual: Override) {
        self.change(slot, |state| state.manual = manual);
    }

    /// Sets whether requests are decided and counted, but all admitted.
    pub fn set_dry_run(&mut self, dry_run: bool) {
        self.engine_ref.each(|table| table.dry_run = dry_run);
    }

    fn change(&mut self, slot: Slot, f: impl FnOnce(&mut RouteState)) -> Option<()> {
        let At { mut table, slot, .. } = self.engine_ref.at(slot);
        table.holds(slot).then(|| f(table.state(slot)))
    }
}
