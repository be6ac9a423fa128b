//! The nodes that are heard: who speaks, who fell silent, who is forgotten.
//!
//! A node keeps its place for as long as it is known, so that a word costs two bytes to say whose it is.

use std::collections::HashMap;

use super::word::NodeId;
use crate::units::Millis;

/// Who was not heard from for so long does not speak.
pub const SILENCE_MS: Millis = 3000.0;
/// Words of a silent node are kept for so long, in case it was only cut off.
pub const MEMORY_MS: Millis = 30_000.0;
/// Most nodes heard.
pub const MAX_NODES: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Node {
    id: NodeId,
    /// When it was heard for the first time.
    met_ms: Millis,
    heard_ms: Millis,
    /// Is this place taken?
    taken: bool,
    speaks: bool,
    /// Began or ceased to speak since that was last looked at.
    turned: bool,
}

/// The nodes, by place.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    places: HashMap<NodeId, u16>,
    vacant: Vec<u16>,
    first_met_ms: Millis,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { nodes: Vec::new(), places: HashMap::new(), vacant: Vec::new(), first_met_ms: Millis::INFINITY }
    }
}

impl Nodes {
    /// The place of a node that is heard now; none where there is no room for a stranger.
    pub fn meet(&mut self, id: NodeId, now_ms: Millis) -> Option<u16> {
        let place = match self.places.get(&id) {
            Some(&place) => place,
            None => self.welcome(id, now_ms)?,
        };
        let node = &mut self.nodes[place as usize];
        node.heard_ms = now_ms;
        self.first_met_ms = self.first_met_ms.min(node.met_ms);
        if !node.speaks {
            (node.speaks, node.turned) = (true, true);
        }
        Some(place)
    }

    fn welcome(&mut self, id: NodeId, now_ms: Millis) -> Option<u16> {
        // It speaks already: there are no words of its that could come back.
        let node = Node { id, met_ms: now_ms, heard_ms: 0.0, taken: true, speaks: true, turned: false };
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

    /// Does the node of this place speak?
    pub fn speaks(&self, place: u16) -> bool {
        self.nodes[place as usize].speaks
    }

    /// Since when it has been known, ms.
    pub fn met_ms(&self, place: u16) -> Millis {
        self.nodes[place as usize].met_ms
    }

    /// Since when the first of those that speak has been known, ms; infinite where none does.
    pub fn first_met_ms(&self) -> Millis {
        self.first_met_ms
    }

    fn look_for_first(&mut self) {
        let speaking = self.nodes.iter().filter(|node| node.speaks);
        self.first_met_ms = speaking.map(|node| node.met_ms).fold(Millis::INFINITY, Millis::min);
    }

    /// Did it begin or cease to?
    pub fn turned(&self, place: u16) -> bool {
        self.nodes[place as usize].turned
    }

    /// Did any?
    pub fn any_turned(&self) -> bool {
        self.nodes.iter().any(|node| node.turned)
    }

    /// That was looked at.
    pub fn settle(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.turned = false);
    }

    /// How many speak.
    pub fn speaking(&self) -> usize {
        self.nodes.iter().filter(|node| node.speaks).count()
    }

    /// Who has been silent falls silent. Who has been for long leaves, and where there is no room left, who is silent at
    /// all: the answer says of every place whether its node does; none if nobody does.
    pub fn hush(&mut self, now_ms: Millis) -> Option<Vec<bool>> {
        let room = !self.vacant.is_empty() || self.nodes.len() < MAX_NODES;
        let memory_ms = if room { MEMORY_MS } else { SILENCE_MS };
        for node in self.nodes.iter_mut().filter(|node| node.speaks && now_ms - node.heard_ms > SILENCE_MS) {
            (node.speaks, node.turned) = (false, true);
        }
        self.look_for_first();
        let leaves = |node: &Node| node.taken && now_ms - node.heard_ms > memory_ms;
        self.nodes.iter().any(leaves).then(|| self.nodes.iter().map(leaves).collect())
    }

    /// Forgets who leaves; nobody refers to their places any more.
    pub fn forget(&mut self, leaving: &[bool]) {
        for place in (0..leaving.len()).filter(|&place| leaving[place]) {
            let node = &mut self.nodes[place];
            self.places.remove(&node.id);
            (node.taken, node.speaks, node.turned) = (false, false, false);
            self.vacant.push(place as u16);
        }
        self.look_for_first();
    }
}
