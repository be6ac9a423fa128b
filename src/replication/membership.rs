//! The nodes that report: live, silent, forgotten.
//!
//! A node keeps its place for as long as it is known, so that the node of a report takes two bytes.

use std::collections::HashMap;

use super::report::NodeId;
use crate::units::Millis;

/// The time without a message after which a node is silent, ms.
pub const SILENCE_MS: Millis = 3000.0;
/// The time for which the reports of a silent node are kept, in case it was only disconnected, ms.
pub const MEMORY_MS: Millis = 30_000.0;
/// The most nodes.
pub const MAX_NODES: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Node {
    id: NodeId,
    /// The time at which it was first seen.
    met_ms: Millis,
    /// The time since which it counts as known: the same, and any time of one that the store named as this node began to listen.
    known_ms: Millis,
    received_ms: Millis,
    /// True when this place is taken.
    taken: bool,
    is_live: bool,
    /// True when the node became live or silent since the last `settle`.
    changed: bool,
}

/// The nodes, by place.
#[derive(Debug)]
pub struct Membership {
    nodes: Vec<Node>,
    places: HashMap<NodeId, u16>,
    vacant: Vec<u16>,
    /// The time at which this node began to listen.
    listening_ms: Millis,
    first_met_ms: Millis,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            places: HashMap::new(),
            vacant: Vec::new(),
            listening_ms: 0.0,
            first_met_ms: Millis::INFINITY,
        }
    }
}

impl Membership {
    /// Notes that this node begins to listen, for the first time or again.
    pub fn listen(&mut self, now_ms: Millis) {
        self.listening_ms = now_ms;
    }

    /// The place of a node that the store names as this node begins to listen; None where there is no room for a new one.
    pub fn found(&mut self, id: NodeId, now_ms: Millis) -> Option<u16> {
        let place = self.see(id, now_ms)?;
        self.nodes[place as usize].known_ms = Millis::NEG_INFINITY;
        Some(place)
    }

    /// The place of a node that a message came from; None where there is no room for a new one.
    pub fn see(&mut self, id: NodeId, now_ms: Millis) -> Option<u16> {
        let place = match self.places.get(&id) {
            Some(&place) => place,
            None => self.add(id, now_ms)?,
        };
        let node = &mut self.nodes[place as usize];
        node.received_ms = now_ms;
        self.first_met_ms = self.first_met_ms.min(node.met_ms);
        if !node.is_live {
            (node.is_live, node.changed) = (true, true);
        }
        Some(place)
    }

    fn add(&mut self, id: NodeId, now_ms: Millis) -> Option<u16> {
        // Live already: it has no reports that could count again.
        let node =
            Node { id, met_ms: now_ms, known_ms: now_ms, received_ms: 0.0, taken: true, is_live: true, changed: false };
        let place = match self.vacant.pop() {
            Some(place) => {
                self.nodes[place as usize] = node;
                place
            }
            None if self.nodes.len() < MAX_NODES => {
                self.nodes.push(node);
                self.nodes.len() as u16 - 1
            }
            None => return None,
        };
        self.places.insert(id, place);
        Some(place)
    }

    /// Returns whether the node of this place is live.
    pub fn is_live(&self, place: u16) -> bool {
        self.nodes[place as usize].is_live
    }

    /// The id of the node of this place.
    pub fn id(&self, place: u16) -> NodeId {
        self.nodes[place as usize].id
    }

    /// The time since which it counts as known, ms: when it was first seen; of one that was there before this node, any.
    pub fn known_ms(&self, place: u16) -> Millis {
        self.nodes[place as usize].known_ms
    }

    /// The time since which the first of the nodes has been there, ms: this one, or a live one that was seen earlier.
    pub fn first_ms(&self) -> Millis {
        self.first_met_ms.min(self.listening_ms)
    }

    fn find_first(&mut self) {
        let live = self.nodes.iter().filter(|node| node.is_live);
        self.first_met_ms = live.map(|node| node.met_ms).fold(Millis::INFINITY, Millis::min);
    }

    /// Returns whether the node in a place became live or silent since the last `settle`.
    pub fn changed(&self, place: u16) -> bool {
        self.nodes[place as usize].changed
    }

    /// Returns whether any node did.
    pub fn any_changed(&self) -> bool {
        self.nodes.iter().any(|node| node.changed)
    }

    /// Marks the changes as handled.
    pub fn settle(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.changed = false);
    }

    /// The number of live nodes.
    pub fn live(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_live).count()
    }

    /// Marks nodes without a recent message as silent. Those that have been for long expire, and where there is no room left, all
    /// silent ones: the result says of every place whether its node does; None if none does.
    pub fn expire_silent(&mut self, now_ms: Millis) -> Option<Vec<bool>> {
        let room = !self.vacant.is_empty() || self.nodes.len() < MAX_NODES;
        let memory_ms = if room { MEMORY_MS } else { SILENCE_MS };
        for node in self.nodes.iter_mut().filter(|node| node.is_live && now_ms - node.received_ms > SILENCE_MS) {
            (node.is_live, node.changed) = (false, true);
        }
        self.find_first();
        let expires = |node: &Node| node.taken && now_ms - node.received_ms > memory_ms;
        self.nodes.iter().any(expires).then(|| self.nodes.iter().map(expires).collect())
    }

    /// Removes nodes, to whose places nothing refers any more.
    pub fn forget(&mut self, expired: &[bool]) {
        for place in (0..expired.len()).filter(|&place| expired[place]) {
            let node = &mut self.nodes[place];
            self.places.remove(&node.id);
            (node.taken, node.is_live, node.changed) = (false, false, false);
            self.vacant.push(place as u16);
        }
        self.find_first();
    }
}
