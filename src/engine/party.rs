//! What a node has said to the cluster of each of its routes, so that it says again only what changed.
//!
//! A pulse costs what was used since the last one: the table's marker finds those routes, and of those a route that suffers
//! nothing is mentioned once a second, which is enough for its word to weigh.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::{Handle, Name, Slot, cluster::suffering, guard::Guard, table::Table};
use crate::{
    physics::{cluster::Chorus, law::Law, math, tick::RouteState},
    state::{Exchange, RouteKey, Saying, Word},
    units::{EPSILON, Millis, Ohms},
};

/// Routes looked at while the table is held: decisions of other threads wait no longer than these take, a few µs.
const CHUNK: usize = 64;
/// A word that did not change is repeated after this long, ms.
const REPEAT_MS: Millis = 1000.0;
/// A scar has changed when it is off what the others take it for by this share of itself, or of R_base.
const CHANGE: f64 = 0.01;
/// Requests weigh in a word for about this long, ms.
const RECENT_MS: Millis = 3000.0;

/// Of a route.
#[derive(Debug)]
struct Said {
    name: Name,
    key: RouteKey,
    /// S as it was said, Ω.
    scar: Ohms,
    /// When, ms; −∞ before the first time.
    at_ms: Millis,
    /// Requests that asked until then.
    asked: u64,
    /// Of those, the recent ones.
    recent: f64,
    /// The part of S that was taken over from the store, Ω, and when: others have heard of it from whom it is.
    inherited: Ohms,
    inherited_at_ms: Millis,
}

/// What became of a pulse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulsed {
    /// Routes that were used since the one before.
    pub used: u32,
    /// Routes of which something was said.
    pub said: u32,
    /// Routes of which something was heard.
    pub heard: u32,
}

/// See the module. One a table: of several threads that share an engine, one speaks for all.
#[derive(Debug, Default)]
pub struct Party {
    speaker: Weak<Exchange>,
    said: Vec<Option<Said>>,
    slots: HashMap<RouteKey, Slot>,
}

impl Party {
    /// Does this exchange speak for the engine? The first that asks does, until it is gone.
    fn speaks(&mut self, exchange: &Arc<Exchange>) -> bool {
        if self.speaker.strong_count() == 0 {
            *self = Self { speaker: Arc::downgrade(exchange), ..Self::default() };
        }
        std::ptr::eq(self.speaker.as_ptr(), Arc::as_ptr(exchange))
    }

    /// The route in that slot, made known if it is not.
    fn know(&mut self, slot: Slot, name: &Name) -> (&mut Said, bool) {
        let index = slot as usize;
        if self.said.len() <= index {
            self.said.resize_with(index + 1, || None);
        }
        let is_new = self.said[index].as_ref().is_none_or(|said| said.name != *name);
        if is_new {
            let key = RouteKey::of(name.bytes());
            let gone = self.said[index].replace(Said {
                name: name.clone(),
                key,
                scar: 0.0,
                at_ms: f64::NEG_INFINITY,
                asked: 0,
                recent: 0.0,
                inherited: 0.0,
                inherited_at_ms: 0.0,
            });
            if let Some(gone) = gone
                && self.slots.get(&gone.key) == Some(&slot)
            {
                self.slots.remove(&gone.key);
            }
            self.slots.insert(key, slot);
        }
        match &mut self.said[index] {
            Some(said) => (said, is_new),
            None => unreachable!("filled above"),
        }
    }

    /// The slot of a route, if it still holds it.
    fn find(&self, key: RouteKey, table: &Table) -> Option<Slot> {
        let slot = *self.slots.get(&key)?;
        let said = self.said.get(slot as usize)?.as_ref()?;
        (table.name(slot) == Some(&said.name)).then_some(slot)
    }

    /// The others speak for themselves: what was taken over from the store of their words is theirs again.
    fn return_inherited(&mut self, slot: Slot, state: &mut RouteState, law: &Law) {
        let Some(Some(said)) = self.said.get_mut(slot as usize) else { return };
        if said.inherited > 0.0 {
            let elapsed_ms = (state.last_updated_ms - said.inherited_at_ms).max(0.0);
            let left = said.inherited * math::exp(-law.decay_per_ms * elapsed_ms);
            state.scar = if state.scar - left > EPSILON { state.scar - left } else { 0.0 };
            said.inherited = 0.0;
        }
    }

    /// What there is to say of the route in that slot, and whether it was unknown until now.
    fn word(&mut self, table: &mut Table, slot: Slot, law: &Law, now_ms: Millis) -> (Option<Saying>, Option<RouteKey>) {
        let Some(name) = table.name(slot).cloned() else { return (None, None) };
        let mut state = *table.state(slot);
        // Nobody ticked it since, so its scar has not been let decay.
        state.scar *= math::exp(-law.decay_per_ms * (now_ms - state.last_updated_ms).max(0.0));
        let guard = table.guard_of(slot);
        let asked = guard.map_or(0, Guard::requests).max(u64::from(state.ticks));
        let suffered = suffering(guard, &state);
        let (said, is_new) = self.know(slot, &name);
        let news = is_new.then_some(said.key);
        let decay = |since_ms: Millis| math::exp(-law.decay_per_ms * (now_ms - since_ms).max(0.0));
        let own = suffered - said.inherited * decay(said.inherited_at_ms);
        let own = if own > EPSILON { own } else { 0.0 };
        let elapsed_ms = now_ms - said.at_ms;
        let assumed = if said.scar > 0.0 { said.scar * decay(said.at_ms) } else { 0.0 };
        let changed = (own - assumed).abs() > CHANGE * own.max(law.base_resistance);
        if !changed && elapsed_ms < REPEAT_MS {
            return (None, news);
        }
        let fresh = asked.saturating_sub(said.asked) as f64;
        let kept = if elapsed_ms.is_finite() { said.recent * math::exp(-elapsed_ms.max(0.0) / RECENT_MS) } else { 0.0 };
        (said.scar, said.at_ms) = (own, now_ms);
        (said.asked, said.recent) = (asked, kept + fresh);
        let word = Word {
            scar: own,
            resistance: state.resistance,
            momentum: state.momentum,
            ticks: state.ticks,
            requests: said.recent,
        };
        (Some(Saying { key: said.key, name: name.shared(), word }), news)
    }
}

impl Handle {
    /// Says to the others what changed, and takes over what they said; `gamma` is their weight, [0, 1].
    pub fn pulse(&mut self, exchange: &Arc<Exchange>, gamma: f64, now_ms: Millis) -> Pulsed {
        self.laws.refresh(&self.seat.engine().laws);
        let engine = self.seat.engine();
        let mut party = engine.party.lock();
        let mut pulsed = Pulsed::default();
        if !party.speaks(exchange) {
            return pulsed;
        }
        exchange.set_decay_per_ms(self.laws.get(0).decay_per_ms);
        let mut sayings = Vec::new();
        let mut wanted = Vec::new();
        'all: loop {
            let mut table = engine.table.lock();
            for _ in 0..CHUNK {
                let Some(slot) = table.next_used() else { break 'all };
                pulsed.used += 1;
                let law = self.laws.get(table.state(slot).law);
                let (saying, news) = party.word(&mut table, slot, law, now_ms);
                sayings.extend(saying);
                wanted.extend(news);
            }
        }
        pulsed.said = sayings.len() as u32;
        if !sayings.is_empty() {
            exchange.say(sayings);
        }
        if !wanted.is_empty() {
            exchange.want(wanted);
        }
        let heard = exchange.heard();
        for chunk in heard.chunks(CHUNK) {
            let mut table = engine.table.lock();
            for (key, chorus) in chunk {
                let Some(slot) = party.find(*key, &table) else { continue };
                let law = self.laws.get(table.state(slot).law);
                if chorus.voices > 0 {
                    party.return_inherited(slot, table.state(slot), law);
                }
                let state = *table.state(slot);
                let local = suffering(table.guard_of(slot), &state);
                let share = chorus.share(local, gamma, law);
                table.set_share(slot, share);
                table.state(slot).listen(Some(&share), law);
                pulsed.heard += 1;
            }
        }
        pulsed
    }

    /// Takes over what a store knew of a route: words of several nodes, each with its age in ms, with the weight `gamma`, [0, 1].
    /// False when it was measured here already, or its name is none.
    pub fn inherit_words(
        &mut self,
        exchange: &Arc<Exchange>,
        name: &Arc<[u8]>,
        words: &[(Word, Millis)],
        gamma: f64,
        now_ms: Millis,
    ) -> bool {
        let Some(name) = Name::from_shared(Arc::clone(name)) else { return false };
        let slot = self.intern(name.clone(), now_ms);
        let Some(state) = self.state(slot) else { return false };
        let law = self.laws.get(state.law);
        let mut chorus = Chorus::default();
        for (word, age_ms) in words {
            chorus.add(word.scar * math::exp(-law.decay_per_ms * age_ms.max(0.0)), word.requests);
        }
        let scar = chorus.inheritance(gamma, law);
        let closed = gamma > 0.0 && chorus.agrees_closed();
        let ticks = words.iter().map(|(word, _)| word.ticks).max().unwrap_or(0);
        let inherited = self.inherit(slot, scar, closed, ticks, now_ms);
        let mut party = self.engine().party.lock();
        if party.speaks(exchange) {
            let (said, is_new) = party.know(slot, &name);
            if inherited {
                (said.inherited, said.inherited_at_ms) = (scar, now_ms);
            }
            if is_new {
                let key = said.key;
                exchange.want(vec![key]);
            }
        }
        inherited
    }

    /// A route takes over what a store knew of it. It is not used by that, and goes before all that were. False when there is
    /// no route in the slot, or when it was measured here already.
    fn inherit(&mut self, slot: Slot, scar: Ohms, closed: bool, ticks: u32, now_ms: Millis) -> bool {
        let mut table = self.seat.engine().table.lock();
        if !table.holds(slot) {
            return false;
        }
        let law = self.laws.get(table.state(slot).law);
        let inherited = table.state(slot).inherit(law, scar, closed, ticks, now_ms);
        if inherited {
            table.demote(slot);
        }
        inherited
    }

    /// The cluster is left: nobody else speaks any more.
    pub fn leave(&mut self, exchange: &Arc<Exchange>) {
        let mut party = self.engine().party.lock();
        if party.speaks(exchange) {
            *party = Party::default();
            self.engine().table.lock().silence();
        }
    }
}
