//! The table of peers: the newest report of every node on every route, and their aggregates.
//!
//! | rule | |
//! |---|---|
//! | order | a later report replaces an earlier one of the same node if it has as many ticks or more; one with fewer only if the earlier is older than [`RENEWAL_MS`]: the route was evicted there and began anew |
//! | reset | what a node has forgotten is removed at once, and its next report counts whatever its ticks |
//! | restart | a node's id is drawn anew with every process, so a restarted one is another node |
//! | silence | a node without a message for [`SILENCE_MS`] does not count; its reports come back if it does within [`MEMORY_MS`], faded as they would have been |
//! | fading | S·e^(−λ·t), t since it was received; below ε it is 0 |
//! | health | a report of 0 Ω still counts: a healthy node dilutes the scars of others. When all report 0 and none was received for [`SILENCE_MS`], the route is dropped |
//! | bounds | `max_routes` routes, [`MAX_REPORTS_PER_ROUTE`] nodes a route, [`MAX_NODES`] nodes; see below which give way |
//!
//! Unless a secret proves the ids of nodes, those that came later cannot outvote those that came before, nor take their places on a
//! full route: see [`super::seniority`].
//!
//! With a zone, this node gives reports of nodes in the same one [`NEAR`] times their weight: what is near shares more of the network
//! with it. How many nodes agree does not depend on zones.
//!
//! Of a full table the route that was reported longest ago among a few is removed; of a full route the node that was. Where there
//! are too many nodes, silent ones expire, and a new one is ignored before one has: else invented ids could displace nodes that
//! measure something.
//!
//! As scars fade, every route that has one is delivered again once a second, a slice of the table at a time.

use super::{
    codec::Message,
    membership::Membership,
    peer_routes::{Noted, PeerRoutes, seniority},
    report::{NodeId, RouteKey},
    seniority::Later,
};
use crate::{physics::peers::PeerAggregate, units::Millis};

pub use super::{
    membership::{MAX_NODES, MEMORY_MS, SILENCE_MS},
    peer_routes::{MAX_REPORTS_PER_ROUTE, RENEWAL_MS},
};

/// The time within which every fading scar is delivered again, ms.
pub const REFRESH_MS: Millis = 1000.0;

/// The factor by which a report from the same zone weighs more.
pub const NEAR: f64 = 4.0;

/// The parameters of a table of peers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most routes kept, ≥ 1.
    pub max_routes: usize,
    /// λ of the default parameters, 1/ms: how fast the scars of peers fade.
    pub decay_per_ms: f64,
    /// The id of this node, whose own messages are ignored.
    pub own: NodeId,
}

/// The counts of dropped messages since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Messages of this node.
    pub echoes: u64,
    /// Messages of new nodes when there were already [`MAX_NODES`].
    pub strangers: u64,
    /// Reports older than what is known.
    pub stale: u64,
    /// Routes that made room.
    pub routes: u64,
    /// Reports that made room.
    pub reports: u64,
}

/// The table. It belongs to one thread.
///
/// ```
/// use atrion::replication::{Limits, Message, NodeId, PeerTable, Report, RouteKey};
///
/// let mut table = PeerTable::new(Limits { max_routes: 100, decay_per_ms: 0.0, own: NodeId(1) });
/// let report = Report { scar: 40.0, ..Report::default() };
/// let reports = vec![(RouteKey::of(b"GET /orders"), report)];
/// table.receive(&Message { node: NodeId(2), reports, forgotten: Vec::new(), greets: false }, 0.0);
/// table.drain(0.0, |_, aggregate| assert_eq!((aggregate.peers, aggregate.top), (1, 40.0)));
/// ```
#[derive(Debug)]
pub struct PeerTable {
    limits: Limits,
    /// True when it matters how long a node has been known.
    is_ranked: bool,
    /// True when this node has a zone.
    is_zoned: bool,
    routes: PeerRoutes,
    nodes: Membership,
    now_ms: Millis,
    /// The place where the next sweep begins, and when the last one was.
    cursor: usize,
    swept_ms: Millis,
    dropped: Dropped,
}

impl PeerTable {
    /// A table without reports.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let max_routes = limits.max_routes.clamp(1, u32::MAX as usize);
        Self {
            limits: Limits { max_routes, decay_per_ms: limits.decay_per_ms.max(0.0), ..limits },
            is_ranked: false,
            is_zoned: false,
            routes: PeerRoutes::new(max_routes),
            nodes: Membership::default(),
            now_ms: 0.0,
            cursor: 0,
            swept_ms: 0.0,
            dropped: Dropped::default(),
        }
    }

    /// Sets whether nodes that came later count less, because no secret proves their ids: see [`super::seniority`].
    /// Default: no.
    pub fn set_ranked(&mut self, ranked: bool) {
        self.is_ranked = ranked;
    }

    /// Sets whether this node's id names its zone, so that nodes in the same one weigh more. Default: no.
    pub fn set_zoned(&mut self, zoned: bool) {
        self.is_zoned = zoned;
    }

    /// Sets λ, 1/ms: it may change while routes are decided.
    pub fn set_decay_per_ms(&mut self, decay_per_ms: f64) {
        self.limits.decay_per_ms = decay_per_ms.max(0.0);
    }

    /// The number of routes with reports.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Returns whether no route has reports.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of live nodes.
    #[must_use]
    pub fn live(&self) -> usize {
        self.nodes.live()
    }

    /// The counts of dropped messages.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        Dropped { routes: self.routes.evicted(), ..self.dropped }
    }

    /// Notes that this node begins to listen, for the first time or after it could not: nodes that it meets later are compared
    /// with it, unless a secret proves them.
    pub fn listen(&mut self, now_ms: Millis) {
        self.advance(now_ms);
        self.nodes.listen(self.now_ms);
    }

    /// Receives a message at `now_ms` of a clock of this node's; time that runs backwards stands still.
    pub fn receive(&mut self, message: &Message, now_ms: Millis) {
        self.receive_from(message, now_ms, Membership::see);
    }

    /// Receives what a node had stored before this one began to listen, as a message of it. Such a node counts as one that was there before.
    pub fn receive_stored(&mut self, message: &Message, now_ms: Millis) {
        self.receive_from(message, now_ms, Membership::found);
    }

    fn receive_from(
        &mut self,
        message: &Message,
        now_ms: Millis,
        place: fn(&mut Membership, NodeId, Millis) -> Option<u16>,
    ) {
        self.advance(now_ms);
        if message.node == self.limits.own {
            self.dropped.echoes += 1;
            return;
        }
        let Some(node) = place(&mut self.nodes, message.node, self.now_ms) else {
            self.dropped.strangers += 1;
            return;
        };
        for &key in &message.forgotten {
            self.routes.forget(node, key);
        }
        for (key, report) in &message.reports {
            match self.routes.note(node, *key, report, &self.nodes, self.is_ranked, self.now_ms) {
                Noted::Kept => {}
                Noted::Full => self.dropped.reports += 1,
                Noted::Stale => self.dropped.stale += 1,
            }
        }
    }

    /// Delivers what is known of a route with the next drain, changed or not.
    pub fn request(&mut self, key: RouteKey) {
        self.routes.touch(key);
    }

    /// Marks nodes as silent, and fades a part of the scars. To be called every interval, before [`PeerTable::drain`].
    pub fn sweep(&mut self, now_ms: Millis) {
        self.advance(now_ms);
        if let Some(expired) = self.nodes.expire_silent(self.now_ms) {
            self.routes.remove_nodes(&expired);
            self.nodes.forget(&expired);
        }
        let elapsed_ms = self.now_ms - self.swept_ms;
        self.swept_ms = self.now_ms;
        let places = self.routes.places();
        // Ceiled, so that a round over the table never takes longer than REFRESH_MS of sweeps.
        let slice = (places as f64 * elapsed_ms / REFRESH_MS).ceil() as usize;
        for _ in 0..slice.min(places) {
            self.cursor = if self.cursor + 1 < places { self.cursor + 1 } else { 0 };
            self.routes.fade(self.cursor as u32, self.now_ms, self.limits.decay_per_ms, SILENCE_MS);
        }
    }

    /// Delivers the aggregate of every route whose reports changed since the last drain; an empty one where no live node
    /// reports of it any more. A route may come twice: the later counts.
    pub fn drain(&mut self, now_ms: Millis, mut deliver: impl FnMut(RouteKey, PeerAggregate)) {
        self.advance(now_ms);
        if self.nodes.any_changed() {
            self.routes.mark_changed_nodes(&self.nodes);
            self.nodes.settle();
        }
        for key in self.routes.take_gone() {
            deliver(key, PeerAggregate::default());
        }
        let (nodes, now_ms, is_ranked) = (&self.nodes, self.now_ms, self.is_ranked);
        let Limits { decay_per_ms, own, .. } = self.limits;
        let is_near = |node: u16| self.is_zoned && nodes.id(node).zone() == own.zone();
        let seniority = seniority(nodes, is_ranked, now_ms);
        self.routes.drain_changed(|route| {
            let (mut aggregate, mut later) = (PeerAggregate::default(), Later::default());
            for report in route.reports.iter().filter(|report| nodes.is_live(report.node)) {
                let scar = report.scar(now_ms, decay_per_ms);
                let requests = report.requests();
                // The weight is 1 + requests.
                let requests = if is_near(report.node) { NEAR * (1.0 + requests) - 1.0 } else { requests };
                if seniority.counts(nodes.known_ms(report.node)) {
                    aggregate.add(scar, requests);
                } else {
                    later.add(scar, requests);
                }
            }
            later.join(&mut aggregate);
            let has_peers = aggregate.peers > 0;
            if has_peers || route.was_delivered {
                deliver(route.key, aggregate);
            }
            route.was_delivered = has_peers;
        });
    }

    fn advance(&mut self, now_ms: Millis) {
        // Not a number is not later.
        if now_ms > self.now_ms && now_ms.is_finite() {
            self.now_ms = now_ms;
        }
    }
}
