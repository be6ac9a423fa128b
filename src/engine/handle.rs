//! A thread's view of an engine: it decides, and knows which evictions it has not heard of.

use std::collections::VecDeque;
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use super::{
    Engine, Limits,
    guard::{Answer, Ask, Outcome, Stats},
    laws::LawCache,
    names::Name,
    permits::{Permit, PermitId},
    seat::Seat,
    table::{Guarded, Slot, Table},
};
use crate::{
    physics::{
        cluster::Share,
        law::Law,
        mode::Mode,
        pressure::Sample,
        retry::retry_after_ms,
        tick::{Order, RouteState, Tick},
    },
    units::{Millis, Ohms, Volts},
};

/// What was decided, and the tick it was decided on.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// Does the request flow?
    pub allow: bool,
    /// ms until it would, when it does not and decay alone will do.
    pub retry_after_ms: Option<Millis>,
    /// What happened in the tick.
    pub tick: Tick,
}

/// One row of a batch: a route and its reading in, what became of it out.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// R after the tick, Ω.
    pub resistance: Ohms,
    /// Mode after the tick.
    pub mode: Mode,
    /// The tick.
    pub tick: Tick,
    /// The sample was the route's first with a component that was noise.
    pub first_rejected: bool,
}

/// What a handle has to tell of evictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// This slot is somebody else's now, or nobody's.
    Slot(Slot),
    /// More than could be remembered: no slot is to be trusted.
    All,
}

/// One per thread; cheap to make, not to be shared.
#[derive(Debug)]
pub struct Handle {
    pub(super) seat: Seat,
    pub(super) laws: LawCache,
    seen_evictions: u64,
    news: VecDeque<Evicted>,
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Handle {
    fn drop(&mut self) {
        let added = self.laws.take_added();
        self.seat.engine().laws.abandon(added);
    }
}

impl Handle {
    /// A view of `engine`, one of several.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self::seated(Seat::Shared(engine))
    }

    /// The only view of an engine of its own: it never has to lock.
    #[must_use]
    pub fn alone(limits: Limits) -> Self {
        Self::seated(Seat::Alone(Box::new(Engine::bare(limits))))
    }

    fn seated(seat: Seat) -> Self {
        let laws = LawCache::new(&seat.engine().laws);
        let seen_evictions = seat.engine().table.lock().evictions();
        Self { seat, laws, seen_evictions, news: VecDeque::new() }
    }

    /// The engine this is a view of.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.seat.engine()
    }

    /// One tick of the open loop, decided for `voltage`; `report` hears of it, of the state it left, and of what others share in that. `law` governs this
    /// call instead of the route's own. None when the slot can't be trusted: the route was evicted, intern it again.
    #[inline]
    pub fn route(
        &mut self,
        slot: Slot,
        sample: &Sample,
        voltage: Volts,
        law: Option<u16>,
        now_ms: Millis,
        report: impl FnOnce(&Decision, &RouteState, Option<&Share>),
    ) -> Option<()> {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        let table = &mut *table;
        if Self::hear(table, &mut self.seen_evictions, &mut self.news) {
            return None;
        }
        let (state, others) = table.touch(slot)?;
        let law = self.laws.get(law.unwrap_or(state.law));
        let tick = state.tick_among(others, law, sample, now_ms);
        let allow = state.allows(voltage);
        let retry_after_ms = if allow { None } else { retry_after_ms(state, state.blended_scar(others), voltage, law) };
        report(&Decision { allow, retry_after_ms, tick }, state, others);
        Some(())
    }

    /// A tick of one route of a batch; the lock is taken for each, so that a batch never holds up another thread.
    #[inline]
    pub fn tick(&mut self, slot: Slot, sample: &Sample, now_ms: Millis) -> Option<Row> {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        let table = &mut *table;
        if Self::hear(table, &mut self.seen_evictions, &mut self.news) {
            return None;
        }
        let (state, others) = table.touch(slot)?;
        let tick = state.tick_among(others, self.laws.get(state.law), sample, now_ms);
        let first_rejected = tick.rejected && state.rejected_samples == 1;
        Some(Row { resistance: state.resistance, mode: state.mode, tick, first_rejected })
    }

    /// The slot of a route, made at `now_ms` if it is new.
    pub fn intern(&mut self, name: Name, now_ms: Millis) -> Slot {
        let (mut table, laws, names) = self.seat.parts();
        self.laws.refresh(laws);
        let slot = match names.get(&name) {
            Some(slot) => {
                table.touch(slot);
                slot
            }
            None => {
                let state = RouteState::new(0, self.laws.get(0), now_ms);
                let slot = table.insert(name.clone(), state, |gone| names.remove(gone));
                names.insert(name, slot);
                slot
            }
        };
        Self::hear(&table, &mut self.seen_evictions, &mut self.news);
        slot
    }

    /// Makes a route the most recently used, where its name is not known; false when the slot is vacant.
    pub fn touch(&mut self, slot: Slot) -> bool {
        self.seat.table().0.touch(slot).is_some()
    }

    /// The slot of a route, if there is one.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<Slot> {
        self.engine().names.get(name)
    }

    /// The name of the route in that slot.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<Name> {
        self.engine().table.lock().name(slot).cloned()
    }

    /// Forgets a route.
    pub fn remove(&mut self, slot: Slot) {
        let (mut table, _, names) = self.seat.parts();
        if let Some(name) = table.remove(slot) {
            names.remove(&name);
        }
        Self::hear(&table, &mut self.seen_evictions, &mut self.news);
    }

    /// The next eviction this handle was not told of.
    #[cfg(not(target_family = "wasm"))]
    pub fn evicted(&mut self) -> Option<Evicted> {
        self.news.pop_front()
    }

    /// The next eviction this handle was not told of: read where the table keeps it, since nothing decides in between.
    #[cfg(target_family = "wasm")]
    pub fn evicted(&mut self) -> Option<Evicted> {
        let (table, _) = self.seat.table();
        let next = table.evicted_since(self.seen_evictions).map(|mut slots| slots.next());
        self.seen_evictions = match next {
            Some(None) => return None,
            Some(_) => self.seen_evictions + 1,
            None => table.evictions(),
        };
        Some(next.flatten().map_or(Evicted::All, Evicted::Slot))
    }

    /// Adds a law, or replaces law `id`.
    pub fn define_law(&mut self, law: Law, id: Option<u16>) -> Option<u16> {
        #[cfg(not(target_family = "wasm"))]
        if id.is_none() && self.seat.engine().laws.is_worth_sweeping() {
            let (mut table, laws) = self.seat.table();
            laws.sweep(&table.laws_in_use());
        }
        self.laws.define(&self.seat.engine().laws, law, id)
    }

    /// Puts a route under a law that was defined.
    pub fn set_law(&mut self, slot: Slot, law: u16) -> bool {
        self.laws.refresh(&self.seat.engine().laws);
        self.laws.contains(law) && self.change(slot, |state| state.law = law).is_some()
    }

    /// The state of a route.
    #[must_use]
    pub fn state(&self, slot: Slot) -> Option<RouteState> {
        let mut table = self.engine().table.lock();
        table.holds(slot).then(|| *table.state(slot))
    }

    /// Overwrites the state of a route, but for its law.
    pub fn restore(&mut self, slot: Slot, state: RouteState) -> bool {
        self.change(slot, |old| *old = RouteState { law: old.law, order: old.order, ..state }).is_some()
    }

    /// Trauma that no telemetry told of, Ω.
    pub fn traumatise(&mut self, slot: Slot, ohms: Ohms, now_ms: Millis) {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        if let Some((state, others)) = table.touch(slot) {
            state.traumatise(others, self.laws.get(state.law), ohms, now_ms);
        }
    }

    /// A request asks for a permit; `report` hears the answer and the state it was given on. `queue_age_ms` is how long it
    /// waited in front of the process; negative when it asks again. None when the slot can't be trusted: the route was evicted, intern it again.
    pub fn acquire(
        &mut self,
        slot: Slot,
        mut ask: Ask,
        queue_age_ms: Millis,
        now_ms: Millis,
        report: impl FnOnce(&Answer, &RouteState, Option<&Share>),
    ) -> Option<()> {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        let table = &mut *table;
        if Self::hear(table, &mut self.seen_evictions, &mut self.news) {
            return None;
        }
        let law = self.laws.get(table.touch(slot)?.0.law);
        table.guard(slot, law, now_ms);
        if queue_age_ms >= 0.0 {
            ask.queue_place = table.queue.place(queue_age_ms, law.limit.deadline_ms, now_ms);
        }
        let admit_all = table.dry_run;
        let Guarded { state, others, guard, house, permits } = table.guarded(slot)?;
        let answer = guard.acquire(slot, state, others, house, permits, law, &ask, admit_all, now_ms);
        report(&answer, state, others);
        if queue_age_ms > 0.0 {
            table.queue.answered(answer.permit.is_some());
        }
        Some(())
    }

    /// A permit comes back; `report` hears of the tick that was due. A permit that is no longer out changes nothing: then false.
    pub fn release(
        &mut self,
        id: PermitId,
        outcome: Outcome,
        now_ms: Millis,
        report: impl FnOnce(Slot, &Tick, &RouteState, Option<&Share>),
    ) -> bool {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        let table = &mut *table;
        let Some(&Permit { slot, birth, .. }) = table.permit(id) else { return false };
        let Some(Guarded { state, others, guard, house, permits }) = table.guarded(slot) else { return false };
        if guard.birth() != birth {
            return false;
        }
        let law = self.laws.get(state.law);
        if let Some(tick) = guard.release(id, outcome, state, others, house, permits, law, now_ms) {
            report(slot, &tick, state, others);
        }
        true
    }

    /// The slot of the route that a permit was granted on, while it is out.
    #[must_use]
    pub fn slot_of(&self, id: PermitId) -> Option<Slot> {
        self.engine().table.lock().permit(id).map(|permit| permit.slot)
    }

    /// What became of a request that left its route's work in flight as detached; `age_ms` ago it was admitted.
    pub fn conclude(&self, slot: Slot, outcome: Outcome, age_ms: Millis, now_ms: Millis) {
        let mut table = self.engine().table.lock();
        if let Some(Guarded { state, others, guard, .. }) = table.guarded(slot) {
            guard.conclude(outcome, age_ms, state, others, now_ms);
        }
    }

    /// A lease takes its place among a route's work in flight, or gives it back.
    pub fn lease(&mut self, slot: Slot, taken: bool, now_ms: Millis) {
        let (mut table, laws) = self.seat.table();
        self.laws.refresh(laws);
        if !table.holds(slot) {
            return;
        }
        if taken || table.guarded(slot).is_some() {
            let law = self.laws.get(table.state(slot).law);
            table.guard(slot, law, now_ms);
        }
        if let Some(Guarded { guard, house, .. }) = table.guarded(slot) {
            guard.lease(house, taken);
        }
    }

    /// What a route's closed loop has to tell, if it has one.
    #[must_use]
    pub fn stats(&self, slot: Slot) -> Option<Stats> {
        let mut table = self.engine().table.lock();
        let Guarded { state, others, guard, house, .. } = table.guarded(slot)?;
        Some(guard.stats(state, others, house, self.laws.get(state.law)))
    }

    /// An operator orders a route open or closed, or leaves it to the physics.
    pub fn order(&mut self, slot: Slot, order: Order) {
        self.change(slot, |state| state.order = order);
    }

    /// Decide and count, but admit everybody.
    pub fn set_dry_run(&mut self, dry_run: bool) {
        self.seat.table().0.dry_run = dry_run;
    }

    fn change(&mut self, slot: Slot, f: impl FnOnce(&mut RouteState)) -> Option<()> {
        let (mut table, _) = self.seat.table();
        table.holds(slot).then(|| f(table.state(slot)))
    }

    /// Takes note of what was evicted since the last time; true when anything was: then no slot is to be trusted. In wasm no
    /// other handle evicts, and the host asks after each call that may.
    #[inline]
    fn hear(table: &Table, seen: &mut u64, news: &mut VecDeque<Evicted>) -> bool {
        if cfg!(target_family = "wasm") || table.evictions() == *seen {
            return false;
        }
        Self::note(table, seen, news);
        true
    }

    #[cold]
    #[inline(never)]
    fn note(table: &Table, seen: &mut u64, news: &mut VecDeque<Evicted>) {
        match table.evicted_since(*seen) {
            Some(slots) => slots.for_each(|slot| news.push_back(Evicted::Slot(slot))),
            None => {
                news.clear();
                news.push_back(Evicted::All);
            }
        }
        *seen = table.evictions();
    }
}
