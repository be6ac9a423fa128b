//! The subscriber: takes what the server pushes, verifies it, and keeps track of the nodes that were seen.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use super::{
    connect::PushHandler,
    proof::{Content, open_message},
    record::{LEGACY, Records, age_ms},
    shared::{Shared, unix_ms},
    stats::count,
};
use crate::{
    replication::{
        Message, NodeId, Report, RouteKey,
        codec::MAX_BYTES,
        newcomers::Newcomers,
        peers::{MAX_NODES, SILENCE_MS},
        replay::MessageCounters,
    },
    units::Millis,
};

/// The most bytes of messages that wait for the loop; further ones are dropped.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// The position of the sender's id in a message.
const SENDER: std::ops::Range<usize> = 4..12;

/// A message that the server sends unasked, and its session.
pub(super) enum ServerPush {
    Message(Vec<u8>),
    /// The connection is lost.
    Lost(u64),
    /// The channel moved to another server.
    Moved(u64),
}

/// Takes what the server pushes from its connection to the loop, bounded.
pub(super) struct PushReceiver {
    shared: Arc<Shared>,
    loop_: mpsc::UnboundedSender<ServerPush>,
    waiting_bytes: AtomicUsize,
}

impl PushReceiver {
    pub fn new(shared: Arc<Shared>, loop_: mpsc::UnboundedSender<ServerPush>) -> Self {
        Self { shared, loop_, waiting_bytes: AtomicUsize::new(0) }
    }

    /// The handler of one session.
    pub fn of(self: &Arc<Self>, generation: u64) -> PushHandler {
        let receiver = self.clone();
        Arc::new(move |info| receiver.take(info, generation))
    }

    fn take(&self, info: PushInfo, generation: u64) {
        let push = match (info.kind, info.data) {
            (PushKind::Message | PushKind::SMessage, mut data) => match data.pop() {
                Some(Value::BulkString(bytes)) if self.accept(&bytes) => ServerPush::Message(bytes),
                _ => return,
            },
            (PushKind::Disconnection, _) => ServerPush::Lost(generation),
            (PushKind::SUnsubscribe | PushKind::Unsubscribe, _) => ServerPush::Moved(generation),
            _ => return,
        };
        // The loop is gone only when all of this is.
        let _ = self.loop_.send(push);
    }

    fn accept(&self, bytes: &[u8]) -> bool {
        if bytes.get(SENDER) == Some(&self.shared.node.0.to_le_bytes()) {
            return false;
        }
        let counters = &self.shared.counters;
        count(&counters.received_messages, 1);
        count(&counters.received_bytes, bytes.len());
        if bytes.len() > MAX_BYTES || self.waiting_bytes.load(Relaxed) + bytes.len() > MAX_WAITING_BYTES {
            count(&counters.dropped_oversized, 1);
            return false;
        }
        self.waiting_bytes.fetch_add(bytes.len(), Relaxed);
        true
    }

    /// Notes that the loop took a message of so many bytes.
    pub fn taken(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Relaxed);
    }
}

/// The state of the subscriber.
#[derive(Default)]
pub(super) struct Subscriber {
    /// Other nodes that were seen, and when.
    nodes: HashMap<NodeId, Millis>,
    /// Bounds the nodes that are not among them, where there is no secret.
    newcomers: Newcomers,
    /// The messages and stored nodes that were over that bound.
    rejected: u64,
    /// The counters of the messages that were received, where there is a secret.
    counters: MessageCounters,
}

impl Subscriber {
    /// The messages and stored nodes of unknown nodes that were rejected, since the start.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The other nodes that were seen.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// The message in these bytes, if it is one and is verified; else it is counted under its reason.
    pub fn open(&mut self, bytes: &[u8], shared: &Shared, now_ms: Millis) -> Option<Content> {
        let (content, sealed) = open_message(shared, bytes)?;
        let node = content.node();
        if let Some((counter, sent_unix_ms)) = sealed {
            if !self.counters.accept(node, counter, sent_unix_ms, unix_ms(), now_ms) {
                count(&shared.counters.dropped_replayed, 1);
                return None;
            }
        } else if node != shared.node && !self.nodes.contains_key(&node) && !self.newcomers.admit(now_ms) {
            self.rejected += 1;
            return None;
        }
        if let Content::Reports(message) = &content {
            count(&shared.counters.received_reports, message.reports.len());
        }
        self.see(node, now_ms);
        Some(content)
    }

    /// The messages that the others' stored records amount to, as if the nodes that are still live had just sent them.
    pub fn load(&mut self, records: &Records, shared: &Shared, decay_per_ms: f64, now_ms: Millis) -> Vec<Message> {
        let (unix_ms, expire_ms) = (unix_ms(), shared.expire_ms);
        let mut newest: HashMap<NodeId, Millis> = HashMap::new();
        for (node, record) in records.values().flatten().filter(|(node, _)| *node != LEGACY) {
            let age_ms = age_ms(record, unix_ms, expire_ms);
            newest.entry(*node).and_modify(|known| *known = known.min(age_ms)).or_insert(age_ms);
        }
        if shared.keyring.is_none() {
            self.bound_unknown(&mut newest);
        }
        let mut messages: HashMap<NodeId, Message> = HashMap::new();
        for (name, stored) in records {
            let is_live = |node: &NodeId| newest.get(node).is_some_and(|age_ms| *age_ms <= SILENCE_MS);
            for (node, record) in stored.iter().filter(|(node, _)| is_live(node)) {
                let faded = (-decay_per_ms * age_ms(record, unix_ms, expire_ms)).exp();
                let report = Report { scar: record.scar * faded, ..record.report() };
                let message = messages.entry(*node).or_insert_with(|| Message {
                    node: *node,
                    reports: Vec::new(),
                    forgotten: Vec::new(),
                    greets: false,
                });
                message.reports.push((RouteKey::of(name), report));
            }
        }
        for node in newest.into_keys() {
            self.see(node, now_ms);
        }
        messages.into_values().collect()
    }

    /// Removes unknown nodes beyond half of the places, those that wrote last kept: a writer to the store can invent nodes.
    fn bound_unknown(&mut self, newest: &mut HashMap<NodeId, Millis>) {
        let room = (MAX_NODES / 2).saturating_sub(self.nodes.len());
        let mut unknown: Vec<_> = newest.iter().filter(|(node, _)| !self.nodes.contains_key(*node)).collect();
        if unknown.len() <= room {
            return;
        }
        unknown.sort_unstable_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(b.0)));
        let rejected: Vec<NodeId> = unknown.into_iter().skip(room).map(|(node, _)| *node).collect();
        self.rejected += rejected.len() as u64;
        for node in rejected {
            newest.remove(&node);
        }
    }

    fn see(&mut self, node: NodeId, now_ms: Millis) {
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&node) {
            let eldest = self.nodes.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(node, _)| *node);
            eldest.map(|node| self.nodes.remove(&node));
        }
        self.nodes.insert(node, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::{greeting, newcomers, redis::options::ClientOptions};

    #[test]
    fn unknown_nodes_are_bounded_where_there_is_no_secret_and_known_ones_are_not() {
        let shared = Shared::new(&ClientOptions::default(), &[]);
        let mut subscriber = Subscriber::default();
        let mut opened = |id: u64| subscriber.open(&greeting(NodeId(id)), &shared, 0.0).is_some();
        let first = shared.node.0.wrapping_add(1);
        let burst = newcomers::BURST as u64;
        assert_eq!((0..2 * burst).filter(|i| opened(first.wrapping_add(*i))).count() as u64, burst);
        assert!(opened(first), "it is known already");
        assert_eq!((subscriber.rejected(), subscriber.nodes().count() as u64), (burst, burst));
    }

    #[test]
    fn a_sealed_message_counts_once() {
        let secret = vec![vec![7_u8; 32]];
        let (sender, receiver) = [(); 2].map(|()| Shared::new(&ClientOptions::default(), &secret)).into();
        let message = sender.seal(greeting(sender.node));
        let mut subscriber = Subscriber::default();
        assert!(subscriber.open(&message, &receiver, 0.0).is_some());
        assert!(subscriber.open(&message, &receiver, 0.0).is_none());
        assert!(subscriber.open(&greeting(sender.node), &receiver, 0.0).is_none(), "it has no MAC");
        let counters = receiver.counters.read();
        assert_eq!((counters.dropped_replayed, counters.dropped_unsigned), (1, 1));
    }
}
