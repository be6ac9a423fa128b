//! The routes of the table of peers: the newest report of every node on each, bounded.
//!
//! Routes keep their place in one vector, so what changed is noted by position and the list is never longer than the table,
//! whatever is received in between two drains.

use std::collections::HashMap;

use super::{
    membership::Membership,
    report::{Report, RouteKey},
    seniority::Seniority,
};
use crate::units::{EPSILON, MAX_RESISTANCE, Millis, Ohms};

/// The age of a report from which one with fewer ticks replaces it, ms.
pub const RENEWAL_MS: Millis = 1000.0;
/// The most nodes that report of one route.
pub const MAX_REPORTS_PER_ROUTE: usize = 16;

/// Of so many routes the one reported longest ago makes room.
const CANDIDATES: usize = 8;

/// One node's newest report of a route.
#[derive(Debug, Clone, Copy)]
pub struct PeerReport {
    received_ms: Millis,
    scar: f32,
    requests: f32,
    ticks: u32,
    /// The place of its node in the membership.
    pub node: u16,
}

impl PeerReport {
    fn new(node: u16, report: &Report, now_ms: Millis) -> Self {
        Self {
            received_ms: now_ms,
            scar: if report.scar > 0.0 { report.scar.min(MAX_RESISTANCE) as f32 } else { 0.0 },
            requests: if report.requests > 0.0 { report.requests.min(1e12) as f32 } else { 0.0 },
            ticks: report.ticks,
            node,
        }
    }

    /// Recent requests of the node.
    pub fn requests(&self) -> f64 {
        f64::from(self.requests)
    }

    /// The scar as it has faded, Ω.
    pub fn scar(&self, now_ms: Millis, decay_per_ms: f64) -> Ohms {
        if self.scar <= 0.0 {
            return 0.0;
        }
        let scar = f64::from(self.scar) * (-decay_per_ms * (now_ms - self.received_ms)).exp();
        if scar < EPSILON { 0.0 } else { scar }
    }
}

/// A route, or a vacant place.
#[derive(Debug)]
pub struct Route {
    pub key: RouteKey,
    pub reports: Vec<PeerReport>,
    received_ms: Millis,
    is_taken: bool,
    /// True when the route's position is in `PeerRoutes::changed`.
    is_changed: bool,
    /// True when an aggregate with peers was delivered last.
    pub was_delivered: bool,
}

/// The fate of a report that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The report was kept.
    Kept,
    /// The report was kept or not, and one of a full route was dropped.
    Full,
    /// The report is older than what is known.
    Stale,
}

/// The routes, by place.
#[derive(Debug, Default)]
pub struct PeerRoutes {
    max_routes: usize,
    places: HashMap<RouteKey, u32>,
    routes: Vec<Route>,
    vacant: Vec<u32>,
    changed: Vec<u32>,
    /// Routes that left the table though an aggregate with peers was delivered.
    gone: Vec<RouteKey>,
    /// The place where a search for room begins.
    hand: usize,
    /// Routes that made room.
    evicted: u64,
}

impl PeerRoutes {
    /// No routes, at most `max_routes`.
    pub fn new(max_routes: usize) -> Self {
        Self { max_routes, ..Self::default() }
    }

    /// The number of routes with reports.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The number of places, vacant ones included.
    pub fn places(&self) -> usize {
        self.routes.len()
    }

    /// Routes that made room for others, since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Marks a route as changed, if it is known.
    pub fn touch(&mut self, key: RouteKey) {
        if let Some(&place) = self.places.get(&key) {
            self.mark(place);
        }
    }

    fn mark(&mut self, place: u32) {
        let route = &mut self.routes[place as usize];
        if !route.is_changed {
            route.is_changed = true;
            self.changed.push(place);
        }
    }

    /// Marks the routes of the nodes that became live or silent.
    pub fn mark_changed_nodes(&mut self, nodes: &Membership) {
        for place in 0..self.routes.len() as u32 {
            if self.routes[place as usize].reports.iter().any(|report| nodes.changed(report.node)) {
                self.mark(place);
            }
        }
    }

    /// Notes a node's report of a route.
    pub fn note(
        &mut self,
        node: u16,
        key: RouteKey,
        report: &Report,
        nodes: &Membership,
        is_ranked: bool,
        now_ms: Millis,
    ) -> Noted {
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => self.add(key, now_ms),
        };
        let route = &mut self.routes[place as usize];
        let report = PeerReport::new(node, report, now_ms);
        let mut noted = Noted::Kept;
        if let Some(known) = route.reports.iter_mut().find(|known| known.node == node) {
            if report.ticks < known.ticks && now_ms - known.received_ms <= RENEWAL_MS {
                return Noted::Stale;
            }
            *known = report;
        } else if route.reports.len() < MAX_REPORTS_PER_ROUTE {
            route.reports.push(report);
        } else {
            noted = Noted::Full;
            let seniority = seniority(nodes, is_ranked, now_ms);
            let stays = |node: u16| nodes.is_live(node) && seniority.counts(nodes.known_ms(node));
            // Silent and later nodes give way first; to a later one none of the others does.
            let order = |report: &&mut PeerReport| (stays(report.node), report.received_ms);
            let first = route.reports.iter_mut().min_by(|a, b| {
                let ((a_stays, a_ms), (b_stays, b_ms)) = (order(a), order(b));
                a_stays.cmp(&b_stays).then(a_ms.total_cmp(&b_ms))
            });
            match first {
                Some(first) if stays(node) || !stays(first.node) => *first = report,
                _ => return noted,
            }
        }
        route.received_ms = now_ms;
        self.mark(place);
        noted
    }

    /// Forgets a node's report of a route.
    pub fn forget(&mut self, node: u16, key: RouteKey) {
        let Some(&place) = self.places.get(&key) else { return };
        self.retain(place, |report| report.node != node);
    }

    /// Forgets all reports of the nodes that expired, by place.
    pub fn remove_nodes(&mut self, expired: &[bool]) {
        for place in 0..self.routes.len() as u32 {
            self.retain(place, |report| !expired[report.node as usize]);
        }
    }

    fn retain(&mut self, place: u32, keep: impl Fn(&PeerReport) -> bool) {
        let reports = &mut self.routes[place as usize].reports;
        let before = reports.len();
        reports.retain(keep);
        let after = reports.len();
        if before > 0 && after == 0 {
            self.remove(place);
        } else if after < before {
            self.mark(place);
        }
    }

    /// A place for a new route.
    fn add(&mut self, key: RouteKey, now_ms: Millis) -> u32 {
        let place = match self.vacant.pop() {
            Some(place) => place,
            None if self.routes.len() < self.max_routes => {
                self.routes.push(Route {
                    key,
                    reports: Vec::new(),
                    received_ms: now_ms,
                    is_taken: false,
                    is_changed: false,
                    was_delivered: false,
                });
                self.routes.len() as u32 - 1
            }
            None => {
                self.make_room();
                self.vacant.pop().unwrap_or(0)
            }
        };
        let route = &mut self.routes[place as usize];
        (route.key, route.is_taken, route.was_delivered) = (key, true, false);
        self.places.insert(key, place);
        place
    }

    /// Removes, of the next few routes, the one reported longest ago.
    fn make_room(&mut self) {
        let mut eldest = self.hand;
        for _ in 0..CANDIDATES.min(self.routes.len()) {
            self.hand = if self.hand + 1 < self.routes.len() { self.hand + 1 } else { 0 };
            if self.routes[self.hand].received_ms < self.routes[eldest].received_ms {
                eldest = self.hand;
            }
        }
        self.evicted += 1;
        self.remove(eldest as u32);
    }

    fn remove(&mut self, place: u32) {
        let route = &mut self.routes[place as usize];
        route.is_taken = false;
        // A place costs no more than the place itself.
        route.reports = Vec::new();
        self.places.remove(&route.key);
        self.vacant.push(place);
        if route.was_delivered {
            // As many at most as there are places: nothing was delivered yet of the route that takes this one.
            route.was_delivered = false;
            self.gone.push(route.key);
        }
    }

    /// Marks a route with a fading scar as changed; removes one whose scars have all faded and that was not reported for
    /// `silence_ms`.
    pub fn fade(&mut self, place: u32, now_ms: Millis, decay_per_ms: f64, silence_ms: Millis) {
        let route = &mut self.routes[place as usize];
        if !route.is_taken {
            return;
        }
        let (mut has_scar, mut is_quiet) = (false, true);
        for report in route.reports.iter_mut().filter(|report| report.scar > 0.0) {
            has_scar = true;
            if report.scar(now_ms, decay_per_ms) > 0.0 {
                is_quiet = false;
            } else {
                report.scar = 0.0;
            }
        }
        if is_quiet && now_ms - route.received_ms > silence_ms {
            self.remove(place);
        } else if has_scar {
            self.mark(place);
        }
    }

    /// Takes the keys of the routes that left the table though an aggregate with peers was delivered.
    pub fn take_gone(&mut self) -> Vec<RouteKey> {
        std::mem::take(&mut self.gone)
    }

    /// Calls `each` with the routes that changed since the last call.
    pub fn drain_changed(&mut self, mut each: impl FnMut(&mut Route)) {
        for place in std::mem::take(&mut self.changed) {
            let route = &mut self.routes[place as usize];
            route.is_changed = false;
            if route.is_taken {
                each(route);
            }
        }
    }
}

/// The seniority of the nodes, whether or not they report a route; all are equal unless `is_ranked`.
pub fn seniority(nodes: &Membership, is_ranked: bool, now_ms: Millis) -> Seniority {
    if is_ranked { Seniority::since(nodes.first_ms(), now_ms) } else { Seniority::NONE }
}
