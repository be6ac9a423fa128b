//! The replication of a table: what this node last reported of each route, so that it reports only what changed.
//!
//! A sync costs what was used since the last one: the sync cursor finds those routes. A route without a scar is reported once a
//! second, which is enough for its report to weigh.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::{
    Handle,
    ids::Slot,
    limiter::Limiter,
    names::Name,
    peers::{Past, reported_scar, return_inherited},
    routes::Table,
};
use crate::{
    physics::{
        math,
        params::RouteParams,
        peers::{Blend, PeerAggregate},
    },
    replication::{Mailbox, OutboundReport, Report, RouteKey},
    units::{EPSILON, Millis, Ohms},
};

/// Routes handled under one lock of the table: decisions of other threads wait no longer than these take, a few µs.
const CHUNK: usize = 64;
/// The time after which an unchanged report is repeated, ms.
const REPEAT_MS: Millis = 1000.0;
/// The difference between a scar and what peers assume it to be from which it is reported, as a share of itself or of R_base.
const CHANGE: f64 = 0.01;
/// The time for which requests weigh in a report, ms.
const RECENT_MS: Millis = 3000.0;

/// The last report of a route.
#[derive(Debug)]
struct LastSent {
    name: Name,
    key: RouteKey,
    /// S as reported, Ω.
    scar: Ohms,
    /// The time at which it was reported, ms; −∞ before the first time.
    at_ms: Millis,
    /// Requests until then.
    requests: u64,
    /// Recent requests of those.
    recent: f64,
}

/// The result of a sync.
///
/// ```
/// use std::sync::Arc;
///
/// use atrion::{
///     engine::{Handle, Limits, Synced},
///     replication::Mailbox,
/// };
///
/// let mut handle = Handle::alone(Limits::of_routes(10));
/// let mailbox = Arc::new(Mailbox::new(10));
/// handle.intern("GET /orders".into(), 0.0);
/// assert_eq!(handle.sync(&mailbox, 0.3, 0.0), Synced { used: 1, sent: 1, received: 0 });
/// assert_eq!(mailbox.take_outgoing().reports.len(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    /// Routes that were used since the last sync.
    pub used: u32,
    /// Routes that were reported.
    pub sent: u32,
    /// Routes of which peers' reports changed.
    pub received: u32,
}

/// The replication state of a table. Of several threads that share an engine, one reports for all.
#[derive(Debug, Default)]
pub struct ReplicationState {
    reporter: Weak<Mailbox>,
    last_sent: Vec<Option<LastSent>>,
    slots: HashMap<RouteKey, Slot>,
}

impl ReplicationState {
    /// Returns whether this mailbox reports for the engine: the first that asks does, until it is dropped.
    fn is_reporter(&mut self, mailbox: &Arc<Mailbox>) -> bool {
        if self.reporter.strong_count() == 0 {
            *self = Self { reporter: Arc::downgrade(mailbox), ..Self::default() };
        }
        std::ptr::eq(self.reporter.as_ptr(), Arc::as_ptr(mailbox))
    }

    /// The last report of the route in that slot, registered if it is new; whether it was new.
    fn register(&mut self, slot: Slot, name: &Name) -> (&mut LastSent, bool) {
        let index = slot as usize;
        if self.last_sent.len() <= index {
            self.last_sent.resize_with(index + 1, || None);
        }
        let is_new = self.last_sent[index].as_ref().is_none_or(|said| said.name != *name);
        if is_new {
            let key = RouteKey::of(name.bytes());
            let gone = self.last_sent[index].replace(LastSent {
                name: name.clone(),
                key,
                scar: 0.0,
                at_ms: f64::NEG_INFINITY,
                requests: 0,
                recent: 0.0,
            });
            if let Some(gone) = gone
                && self.slots.get(&gone.key) == Some(&slot)
            {
                self.slots.remove(&gone.key);
            }
            self.slots.insert(key, slot);
        }
        match &mut self.last_sent[index] {
            Some(said) => (said, is_new),
            None => unreachable!("filled above"),
        }
    }

    /// The slot of a route when it was last reported.
    fn find(&self, key: RouteKey) -> Option<Slot> {
        self.slots.get(&key).copied()
    }

    /// Returns whether the route in that slot, `local` of its table, still is the one that was last reported.
    fn is_there(&self, slot: Slot, local: Slot, table: &Table) -> bool {
        let said = self.last_sent.get(slot as usize).and_then(Option::as_ref);
        said.is_some_and(|said| table.name(local) == Some(&said.name))
    }

    /// The report of the route in that slot of its table, if it is due; its key, if it is new.
    fn report(
        &mut self,
        table: &mut Table,
        slot: Slot,
        params: &RouteParams,
        now_ms: Millis,
    ) -> (Option<OutboundReport>, Option<RouteKey>) {
        let Some(name) = table.name(slot).cloned() else { return (None, None) };
        let mut state = *table.state(slot);
        // It was not ticked since, so its scar has not decayed yet.
        state.scar *= math::exp(-params.decay_per_ms * (now_ms - state.last_updated_ms).max(0.0));
        let limiter = table.limiter_of(slot);
        let requests = limiter.map_or(0, Limiter::requests).max(u64::from(state.ticks));
        let scar = reported_scar(limiter, &state);
        // Peers know what was inherited from the nodes that measured it.
        let (inherited, inherited_at_ms) =
            table.peer_part(slot).map_or((0.0, now_ms), |part| (part.inherited, part.inherited_at_ms));
        let (last, is_new) = self.register(table.global(slot), &name);
        let new_key = is_new.then_some(last.key);
        let decay = |since_ms: Millis| math::exp(-params.decay_per_ms * (now_ms - since_ms).max(0.0));
        let own = scar - inherited * decay(inherited_at_ms);
        let own = if own > EPSILON { own } else { 0.0 };
        let elapsed_ms = now_ms - last.at_ms;
        let assumed = if last.scar > 0.0 { last.scar * decay(last.at_ms) } else { 0.0 };
        let changed = (own - assumed).abs() > CHANGE * own.max(params.base_resistance);
        if !changed && elapsed_ms < REPEAT_MS {
            return (None, new_key);
        }
        let fresh = requests.saturating_sub(last.requests) as f64;
        let kept = if elapsed_ms.is_finite() { last.recent * math::exp(-elapsed_ms.max(0.0) / RECENT_MS) } else { 0.0 };
        (last.scar, last.at_ms) = (own, now_ms);
        (last.requests, last.recent) = (requests, kept + fresh);
        let report = Report {
            scar: own,
            resistance: state.resistance,
            momentum: state.momentum,
            ticks: state.ticks,
            requests: last.recent,
        };
        (Some(OutboundReport { key: last.key, name: name.shared(), report }), new_key)
    }
}

impl Handle {
    /// Reports to peers what changed and blends in what they report, with weight `gamma`, [0, 1].
    pub fn sync(&mut self, mailbox: &Arc<Mailbox>, gamma: f64, now_ms: Millis) -> Synced {
        self.sync_with(mailbox, gamma, now_ms, |_, _, _| {})
    }

    /// The same; `on_change` is called with every route that they report, whether what was inherited of them went, and the part that they
    /// have in it now.
    pub fn sync_with(
        &mut self,
        mailbox: &Arc<Mailbox>,
        gamma: f64,
        now_ms: Millis,
        mut on_change: impl FnMut(Slot, bool, &Blend),
    ) -> Synced {
        self.params.refresh(&self.engine_ref.engine().params);
        let engine = self.engine_ref.engine();
        let mut replication = engine.replication.lock();
        let mut synced = Synced::default();
        if !replication.is_reporter(mailbox) {
            return synced;
        }
        mailbox.set_decay_per_ms(self.params.get(0).decay_per_ms);
        let mut outgoing = Vec::new();
        let mut requested = Vec::new();
        for table in engine.tables() {
            'all: loop {
                let mut table = table.lock();
                for _ in 0..CHUNK {
                    let Some(slot) = table.next_dirty() else { break 'all };
                    synced.used += 1;
                    let params = self.params.get(table.state(slot).params_id);
                    let (report, new_key) = replication.report(&mut table, slot, params, now_ms);
                    outgoing.extend(report);
                    requested.extend(new_key);
                }
            }
        }
        synced.sent = outgoing.len() as u32;
        if !outgoing.is_empty() {
            mailbox.send(outgoing);
        }
        if !requested.is_empty() {
            mailbox.request(requested);
        }
        let heard = mailbox.take_received();
        for (key, aggregate) in &heard {
            let Some(slot) = replication.find(*key) else { continue };
            let (mut table, local) = engine.lock(slot);
            if !replication.is_there(slot, local, &table) {
                continue;
            }
            let params = self.params.get(table.state(local).params_id);
            if aggregate.peers > 0 {
                return_inherited(&mut table, local, params);
            }
            let state = *table.state(local);
            let own = reported_scar(table.limiter_of(local), &state);
            let blend = aggregate.blend(own, gamma, params);
            table.peer_part_mut(local).blend = blend;
            table.state(local).follow_peers(Some(&blend), params);
            on_change(slot, aggregate.peers > 0, &blend);
            synced.received += 1;
        }
        synced
    }

    /// Inherits the stored reports of a route, of several nodes, each with its age in ms, with weight `gamma`, [0, 1]. False when the
    /// route was measured here already, or the name is invalid.
    pub fn inherit_reports(
        &mut self,
        mailbox: &Arc<Mailbox>,
        name: &Arc<[u8]>,
        reports: &[(Report, Millis)],
        gamma: f64,
        now_ms: Millis,
    ) -> bool {
        let Some(name) = Name::from_shared(Arc::clone(name)) else { return false };
        let slot = self.intern(name.clone(), now_ms);
        let Some(state) = self.state(slot) else { return false };
        let params = self.params.get(state.params_id);
        let mut aggregate = PeerAggregate::default();
        for (report, age_ms) in reports {
            aggregate.add(report.scar * math::exp(-params.decay_per_ms * age_ms.max(0.0)), report.requests);
        }
        let scar = aggregate.inheritance(gamma, params);
        let closed = gamma > 0.0 && aggregate.agrees_closed();
        let ticks = reports.iter().map(|(report, _)| report.ticks).max().unwrap_or(0);
        let past = Past { scar, is_of_peers: true, closed, ticks };
        let inherited = {
            let (mut table, slot) = self.engine().lock(slot);
            // Another thread may have given the place to another route.
            table.name(slot) == Some(&name) && past.inherit(&mut table, slot, params, now_ms)
        };
        let mut replication = self.engine().replication.lock();
        if replication.is_reporter(mailbox) {
            let (last, is_new) = replication.register(slot, &name);
            if is_new {
                let key = last.key;
                mailbox.request(vec![key]);
            }
        }
        inherited
    }

    /// Leaves the cluster: clears what peers report.
    pub fn leave(&mut self, mailbox: &Arc<Mailbox>) {
        let mut replication = self.engine().replication.lock();
        if replication.is_reporter(mailbox) {
            *replication = ReplicationState::default();
            self.engine().tables().for_each(|table| table.lock().clear_peer_parts());
        }
    }
}
