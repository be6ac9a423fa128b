//! Protection from repetitions of what was proved to come from a node.
//!
//! A message counts once: its counter has to be above those of all earlier messages of its node, and its time within
//! [`WINDOW_MS`] of now. So a node is remembered for twice as long as any message of its can be in time, and a node that starts
//! later accepts nothing that was recorded more than a minute ago. The clocks of the nodes have to agree within that minute: messages of
//! one that is further off are dropped and counted.
//!
//! Of a stored record the same reader never goes back to an earlier one, and one that should have expired is none.

use std::collections::HashMap;

use super::report::{NodeId, RouteKey};
use crate::units::Millis;

/// The greatest distance of a message's time from now, ms.
pub const WINDOW_MS: Millis = 60_000.0;
/// The time that a node's counter is remembered after its last message, ms: a clock may be a minute ahead.
const MEMORY_MS: Millis = 2.0 * WINDOW_MS;
/// Most nodes remembered; only nodes that have the secret are.
const MAX_NODES: usize = 8192;

/// The last counters of the nodes whose messages were accepted.
#[derive(Debug, Default)]
pub struct MessageCounters {
    last: HashMap<NodeId, (u64, Millis)>,
}

impl MessageCounters {
    /// Returns whether this message is new. `now_unix_ms` is the wall clock's time, `now_ms` that of a clock that never goes back.
    pub fn accept(
        &mut self,
        node: NodeId,
        counter: u64,
        sent_unix_ms: u64,
        now_unix_ms: Millis,
        now_ms: Millis,
    ) -> bool {
        if (now_unix_ms - sent_unix_ms as Millis).abs() > WINDOW_MS {
            return false;
        }
        match self.last.get_mut(&node) {
            Some((last, _)) if counter <= *last => false,
            Some(known) => {
                *known = (counter, now_ms);
                true
            }
            None => {
                if self.last.len() >= MAX_NODES {
                    self.last.retain(|_, (_, received_ms)| now_ms - *received_ms <= MEMORY_MS);
                }
                let has_room = self.last.len() < MAX_NODES;
                if has_room {
                    self.last.insert(node, (counter, now_ms));
                }
                has_room
            }
        }
    }
}

/// The counters of the stored records that were read.
#[derive(Debug)]
pub struct RecordCounters {
    max_records: usize,
    last: HashMap<(NodeId, RouteKey), u64>,
}

impl RecordCounters {
    /// Counters of so many records.
    #[must_use]
    pub fn new(max_records: usize) -> Self {
        Self { max_records, last: HashMap::new() }
    }

    /// Returns whether this record is as new as what was read of its node and route before, and young enough to be stored still.
    pub fn accept(
        &mut self,
        (node, route): (NodeId, RouteKey),
        counter: u64,
        at_unix_ms: Millis,
        now_unix_ms: Millis,
        expire_ms: Millis,
    ) -> bool {
        let age_ms = now_unix_ms - at_unix_ms;
        if !(-WINDOW_MS..=expire_ms + WINDOW_MS).contains(&age_ms) {
            return false;
        }
        if let Some(last) = self.last.get_mut(&(node, route)) {
            let is_new = counter >= *last;
            *last = counter.max(*last);
            return is_new;
        }
        if self.last.len() >= self.max_records {
            // Any: which ones a reader meets again is not known.
            let some: Vec<_> = self.last.keys().take(self.max_records / 2).copied().collect();
            for key in some {
                self.last.remove(&key);
            }
        }
        self.last.insert((node, route), counter);
        true
    }
}
