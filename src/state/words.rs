//! What the others say: the newest word of every node on every route, and what they come to together.
//!
//! | rule | |
//! |---|---|
//! | order | a later word replaces an earlier one of the same node if it has as many ticks or more; one with fewer only if the earlier is older than [`RENEWAL_MS`]: the route was evicted there and began anew |
//! | reset | what a node has forgotten is gone at once, and its next word counts whatever its ticks |
//! | restart | a node is drawn anew with every process, so a restarted one is another node |
//! | silence | who was not heard from for [`SILENCE_MS`] does not speak; its words come back if it does within [`MEMORY_MS`], faded as they would have been |
//! | fading | S·e^(−λ·t), t since it was heard; below ε it is 0 |
//! | health | a word of 0 Ω still counts: a node that is well dilutes the scars of others. When all say 0 and nobody has said anything for [`SILENCE_MS`], the route is dropped |
//! | bounds | `max_routes` routes, [`MAX_VOICES`] nodes a route, [`MAX_NODES`] nodes; see below who gives way |
//!
//! Where nothing proves who a node is, those that came later cannot outvote those that came before, nor take their places on a full
//! route: see [`super::seniority`].
//!
//! Of a full table a route goes that was heard longest ago among a few; of a full route the node that was. Where there
//! are too many nodes, silent ones go and a stranger is not heard before one has: else whoever can draw many node ids
//! could drown those that measure something.
//!
//! Routes keep their place in one vector, so what changed is noted by position and the list is never longer than the
//! table, whatever comes in between two drains. As scars fade, every route that has one is told again once a second, a
//! slice of the table at a time.

use std::collections::HashMap;

use super::{
    nodes::Nodes,
    seniority::{Later, Seniority},
    wire::Message,
    word::{NodeId, RouteKey, Word},
};
use crate::{
    physics::peers::PeerAggregate,
    units::{EPSILON, MAX_RESISTANCE, Millis, Ohms},
};

pub use super::nodes::{MAX_NODES, MEMORY_MS, SILENCE_MS};

/// A word this old is replaced by one with fewer ticks.
pub const RENEWAL_MS: Millis = 1000.0;
/// Every fading scar is told again so often.
pub const REFRESH_MS: Millis = 1000.0;
/// Most nodes heard on one route.
pub const MAX_VOICES: usize = 16;

/// Of so many routes the one heard longest ago makes room.
const CANDIDATES: usize = 8;

/// What is to be known before anything is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most routes kept, ≥ 1.
    pub max_routes: usize,
    /// λ of the default law, 1/ms: how fast the scars of others fade.
    pub decay_per_ms: f64,
    /// Oneself, whose echo is not heard.
    pub own: NodeId,
}

/// What was not heard, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Messages of oneself.
    pub echoes: u64,
    /// Messages of strangers when there were already [`MAX_NODES`].
    pub strangers: u64,
    /// Words older than what is known.
    pub stale: u64,
    /// Routes that made room.
    pub routes: u64,
    /// Words that made room.
    pub voices: u64,
}

/// One node's newest word on a route.
#[derive(Debug, Clone, Copy)]
struct Voice {
    heard_ms: Millis,
    scar: f32,
    requests: f32,
    ticks: u32,
    /// Position in `Words::nodes`.
    node: u16,
}

#[derive(Debug)]
struct Route {
    key: RouteKey,
    voices: Vec<Voice>,
    heard_ms: Millis,
    /// Is this place taken?
    taken: bool,
    /// Is its position in `Words::changed`?
    changed: bool,
    /// Was last told that somebody speaks.
    told: bool,
}

/// The table. It belongs to one thread.
#[derive(Debug)]
pub struct Words {
    limits: Limits,
    /// Does it matter how long a node has been known?
    ranked: bool,
    places: HashMap<RouteKey, u32>,
    routes: Vec<Route>,
    vacant: Vec<u32>,
    nodes: Nodes,
    changed: Vec<u32>,
    /// Routes that left the table while somebody was told to speak on them.
    gone: Vec<RouteKey>,
    now_ms: Millis,
    /// Where fading is looked at next, and since when.
    cursor: usize,
    swept_ms: Millis,
    /// Where room is looked for next.
    hand: usize,
    dropped: Dropped,
}

impl Words {
    /// Nobody has said anything.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Limits {
                max_routes: limits.max_routes.clamp(1, u32::MAX as usize),
                decay_per_ms: limits.decay_per_ms.max(0.0),
                ..limits
            },
            ranked: false,
            places: HashMap::new(),
            routes: Vec::new(),
            vacant: Vec::new(),
            nodes: Nodes::default(),
            changed: Vec::new(),
            gone: Vec::new(),
            now_ms: 0.0,
            cursor: 0,
            swept_ms: 0.0,
            hand: 0,
            dropped: Dropped::default(),
        }
    }

    /// Whether nodes that came later count less, because nothing proves who they are: see [`super::seniority`]. Default: no.
    pub fn set_ranked(&mut self, ranked: bool) {
        self.ranked = ranked;
    }

    /// λ may change while routes are governed, 1/ms.
    pub fn set_decay_per_ms(&mut self, decay_per_ms: f64) {
        self.limits.decay_per_ms = decay_per_ms.max(0.0);
    }

    /// Routes on which somebody was heard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Was nobody heard on any route?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Nodes that speak.
    #[must_use]
    pub fn speaking(&self) -> usize {
        self.nodes.speaking()
    }

    /// What was not heard.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// A node speaks, at `now_ms` of a clock of one's own; time that runs backwards stands still.
    pub fn hear(&mut self, message: &Message, now_ms: Millis) {
        self.advance(now_ms);
        if message.node == self.limits.own {
            self.dropped.echoes += 1;
            return;
        }
        let Some(node) = self.nodes.meet(message.node, self.now_ms) else {
            self.dropped.strangers += 1;
            return;
        };
        for &key in &message.forgotten {
            self.forget(node, key);
        }
        for &(key, word) in &message.words {
            self.note(node, key, word);
        }
    }

    /// Tells what is known of a route with the next drain, changed or not.
    pub fn want(&mut self, key: RouteKey) {
        if let Some(&place) = self.places.get(&key) {
            self.mark(place);
        }
    }

    /// Who has been silent falls silent; a part of the scars fades. To be called every interval, before [`Words::drain`].
    pub fn sweep(&mut self, now_ms: Millis) {
        self.advance(now_ms);
        if let Some(leaving) = self.nodes.hush(self.now_ms) {
            self.bury(&leaving);
        }
        let elapsed_ms = self.now_ms - self.swept_ms;
        self.swept_ms = self.now_ms;
        // Ceiled, so that a round over the table never takes longer than REFRESH_MS of sweeps.
        let slice = (self.routes.len() as f64 * elapsed_ms / REFRESH_MS).ceil() as usize;
        for _ in 0..slice.min(self.routes.len()) {
            self.cursor = if self.cursor + 1 < self.routes.len() { self.cursor + 1 } else { 0 };
            self.fade(self.cursor as u32);
        }
    }

    /// Gives every route whose words changed since the last drain with what is said now; an empty chorus is nobody.
    /// A route may come twice: the later counts.
    pub fn drain(&mut self, now_ms: Millis, mut tell: impl FnMut(RouteKey, PeerAggregate)) {
        self.advance(now_ms);
        if self.nodes.any_turned() {
            self.turn();
        }
        for key in self.gone.drain(..) {
            tell(key, PeerAggregate::default());
        }
        let seniority = seniority(&self.nodes, self.ranked, self.now_ms);
        for place in std::mem::take(&mut self.changed) {
            let route = &mut self.routes[place as usize];
            route.changed = false;
            if !route.taken {
                continue;
            }
            let (mut aggregate, mut later) = (PeerAggregate::default(), Later::default());
            for voice in route.voices.iter().filter(|voice| self.nodes.speaks(voice.node)) {
                let scar = scar_of(voice, self.now_ms, self.limits.decay_per_ms);
                if seniority.counts(self.nodes.met_ms(voice.node)) {
                    aggregate.add(scar, f64::from(voice.requests));
                } else {
                    later.add(scar, f64::from(voice.requests));
                }
            }
            later.join(&mut aggregate);
            let speaks = aggregate.peers > 0;
            if speaks || route.told {
                tell(route.key, aggregate);
            }
            route.told = speaks;
        }
    }

    fn advance(&mut self, now_ms: Millis) {
        // Not a number is not later.
        if now_ms > self.now_ms && now_ms.is_finite() {
            self.now_ms = now_ms;
        }
    }

    fn mark(&mut self, place: u32) {
        let route = &mut self.routes[place as usize];
        if !route.changed {
            route.changed = true;
            self.changed.push(place);
        }
    }

    fn note(&mut self, node: u16, key: RouteKey, word: Word) {
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => self.place(key),
        };
        let now_ms = self.now_ms;
        let route = &mut self.routes[place as usize];
        let voice = Voice {
            heard_ms: now_ms,
            scar: if word.scar > 0.0 { word.scar.min(MAX_RESISTANCE) as f32 } else { 0.0 },
            requests: if word.requests > 0.0 { word.requests.min(1e12) as f32 } else { 0.0 },
            ticks: word.ticks,
            node,
        };
        if let Some(known) = route.voices.iter_mut().find(|voice| voice.node == node) {
            if word.ticks < known.ticks && now_ms - known.heard_ms <= RENEWAL_MS {
                self.dropped.stale += 1;
                return;
            }
            *known = voice;
        } else if route.voices.len() < MAX_VOICES {
            route.voices.push(voice);
        } else {
            self.dropped.voices += 1;
            let seniority = seniority(&self.nodes, self.ranked, now_ms);
            let nodes = &self.nodes;
            let stays = |node: u16| nodes.speaks(node) && seniority.counts(nodes.met_ms(node));
            // Silent and later nodes give way first; to a later one none of the others does.
            let order = |voice: &&mut Voice| (stays(voice.node), voice.heard_ms);
            let first = route.voices.iter_mut().min_by(|a, b| {
                let ((a_stays, a_ms), (b_stays, b_ms)) = (order(a), order(b));
                a_stays.cmp(&b_stays).then(a_ms.total_cmp(&b_ms))
            });
            match first {
                Some(first) if stays(node) || !stays(first.node) => *first = voice,
                _ => return,
            }
        }
        route.heard_ms = now_ms;
        self.mark(place);
    }

    fn forget(&mut self, node: u16, key: RouteKey) {
        let Some(&place) = self.places.get(&key) else { return };
        let voices = &mut self.routes[place as usize].voices;
        let before = voices.len();
        voices.retain(|voice| voice.node != node);
        if voices.is_empty() {
            self.remove(place);
        } else if voices.len() < before {
            self.mark(place);
        }
    }

    /// A place for a route that is new.
    fn place(&mut self, key: RouteKey) -> u32 {
        let place = match self.vacant.pop() {
            Some(place) => place,
            None if self.routes.len() < self.limits.max_routes => {
                self.routes.push(Route {
                    key,
                    voices: Vec::new(),
                    heard_ms: self.now_ms,
                    taken: false,
                    changed: false,
                    told: false,
                });
                self.routes.len() as u32 - 1
            }
            None => {
                self.make_room();
                self.vacant.pop().unwrap_or(0)
            }
        };
        let route = &mut self.routes[place as usize];
        (route.key, route.taken, route.told) = (key, true, false);
        self.places.insert(key, place);
        place
    }

    /// Of the next few routes the one heard longest ago goes.
    fn make_room(&mut self) {
        let mut eldest = self.hand;
        for _ in 0..CANDIDATES.min(self.routes.len()) {
            self.hand = if self.hand + 1 < self.routes.len() { self.hand + 1 } else { 0 };
            if self.routes[self.hand].heard_ms < self.routes[eldest].heard_ms {
                eldest = self.hand;
            }
        }
        self.dropped.routes += 1;
        self.remove(eldest as u32);
    }

    fn remove(&mut self, place: u32) {
        let route = &mut self.routes[place as usize];
        route.taken = false;
        // A place costs no more than the place itself.
        route.voices = Vec::new();
        self.places.remove(&route.key);
        self.vacant.push(place);
        if route.told {
            // As many at most as there are places: whoever takes this one has not been told of.
            route.told = false;
            self.gone.push(route.key);
        }
    }

    /// Forgets the nodes that leave, and all they said.
    fn bury(&mut self, leaving: &[bool]) {
        for place in 0..self.routes.len() as u32 {
            let voices = &mut self.routes[place as usize].voices;
            let before = voices.len();
            voices.retain(|voice| !leaving[voice.node as usize]);
            if before > 0 && voices.is_empty() {
                self.remove(place);
            } else if voices.len() < before {
                self.mark(place);
            }
        }
        self.nodes.forget(leaving);
    }

    /// Marks the routes of the nodes that began or ceased to speak.
    fn turn(&mut self) {
        for place in 0..self.routes.len() as u32 {
            if self.routes[place as usize].voices.iter().any(|voice| self.nodes.turned(voice.node)) {
                self.mark(place);
            }
        }
        self.nodes.settle();
    }

    /// A route whose scars fade is told again; one on which nobody says anything any more goes.
    fn fade(&mut self, place: u32) {
        let (now_ms, decay_per_ms) = (self.now_ms, self.limits.decay_per_ms);
        let route = &mut self.routes[place as usize];
        if !route.taken {
            return;
        }
        let (mut scarred, mut all_quiet) = (false, true);
        for voice in route.voices.iter_mut().filter(|voice| voice.scar > 0.0) {
            scarred = true;
            if scar_of(voice, now_ms, decay_per_ms) > 0.0 {
                all_quiet = false;
            } else {
                voice.scar = 0.0;
            }
        }
        if all_quiet && now_ms - route.heard_ms > SILENCE_MS {
            self.remove(place);
        } else if scarred {
            self.mark(place);
        }
    }
}

/// Which nodes came first, whether or not they have said anything of a route.
fn seniority(nodes: &Nodes, ranked: bool, now_ms: Millis) -> Seniority {
    if ranked { Seniority::since(nodes.first_met_ms(), now_ms) } else { Seniority::NONE }
}

/// What a voice's scar has faded to, Ω.
fn scar_of(voice: &Voice, now_ms: Millis, decay_per_ms: f64) -> Ohms {
    if voice.scar <= 0.0 {
        return 0.0;
    }
    let scar = f64::from(voice.scar) * (-decay_per_ms * (now_ms - voice.heard_ms)).exp();
    if scar < EPSILON { 0.0 } else { scar }
}
