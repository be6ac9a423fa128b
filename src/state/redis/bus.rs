//! Speaking and hearing: one message an interval with what changed, a heartbeat where nothing did.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::mpsc;

use super::{
    agent::{Agent, Done, unix_ms},
    connect::{Ear, Session, query},
    error::{Kind, LinkError},
    link::Shared,
    record::LEGACY,
    request::Reply,
    stats::count,
    store::{Records, age_ms},
};
use crate::{
    state::{
        Message, NodeId, RouteKey, Word, encode,
        wire::{MAX_BYTES, MAX_RECORDS},
        words::{MAX_NODES, SILENCE_MS},
    },
    units::Millis,
};

/// A node that has nothing to say says so after this time, ms: it is heard from within three seconds.
const HEARTBEAT_MS: Millis = 1000.0;
/// What came in and was not heard yet never takes more than this, bytes; the rest is dropped.
const MAX_UNHEARD_BYTES: usize = 32 << 20;
/// Where the sender's id is in a message.
const SENDER: std::ops::Range<usize> = 4..12;

/// What the server says unasked, and to which session.
pub(super) enum Push {
    Message(Vec<u8>),
    /// The connection is gone.
    Lost(u64),
    /// The channel is elsewhere.
    Moved(u64),
}

/// Takes what the server says from its connection to the loop, bounded.
pub(super) struct Ears {
    shared: Arc<Shared>,
    loop_: mpsc::UnboundedSender<Push>,
    unheard_bytes: AtomicUsize,
}

impl Ears {
    pub fn new(shared: Arc<Shared>, loop_: mpsc::UnboundedSender<Push>) -> Self {
        Self { shared, loop_, unheard_bytes: AtomicUsize::new(0) }
    }

    /// The ear of one session.
    pub fn of(self: &Arc<Self>, generation: u64) -> Ear {
        let ears = self.clone();
        Arc::new(move |info| ears.take(info, generation))
    }

    fn take(&self, info: PushInfo, generation: u64) {
        let push = match (info.kind, info.data) {
            (PushKind::Message | PushKind::SMessage, mut data) => match data.pop() {
                Some(Value::BulkString(bytes)) if self.welcome(&bytes) => Push::Message(bytes),
                _ => return,
            },
            (PushKind::Disconnection, _) => Push::Lost(generation),
            (PushKind::SUnsubscribe | PushKind::Unsubscribe, _) => Push::Moved(generation),
            _ => return,
        };
        // The loop is gone only when all of this is.
        let _ = self.loop_.send(push);
    }

    fn welcome(&self, bytes: &[u8]) -> bool {
        if bytes.get(SENDER) == Some(&self.shared.node.0.to_le_bytes()) {
            return false;
        }
        let counters = &self.shared.counters;
        count(&counters.received_messages, 1);
        count(&counters.received_bytes, bytes.len());
        if bytes.len() > MAX_BYTES || self.unheard_bytes.load(Relaxed) + bytes.len() > MAX_UNHEARD_BYTES {
            count(&counters.dropped_oversized, 1);
            return false;
        }
        self.unheard_bytes.fetch_add(bytes.len(), Relaxed);
        true
    }

    pub fn heard(&self, bytes: usize) {
        self.unheard_bytes.fetch_sub(bytes, Relaxed);
    }
}

/// What is under way to the others.
pub(super) struct Letter {
    words: Vec<(RouteKey, Word)>,
    forgotten: Vec<RouteKey>,
    bytes: usize,
    announcing: Vec<Reply<()>>,
}

/// Publishes one message. A refusal is asked about once more: a server may be loading, or running a script.
pub(super) async fn send(session: &mut Session, channel: &str, message: Vec<u8>) -> Result<(), LinkError> {
    let mut command = cmd(if session.sharded { "SPUBLISH" } else { "PUBLISH" });
    command.arg(channel).arg(message);
    match query(&mut session.bus, &mut command).await {
        Err(error) if error.kind == Kind::Refused => query(&mut session.bus, &mut command).await,
        answer => answer,
    }
    .map(drop)
    // Who may not speak is not connected.
    .map_err(|error| if error.kind == Kind::Refused { LinkError { kind: Kind::Lost, ..error } } else { error })
}

impl Agent {
    /// Who has begun to listen is told what still matters, at most once a second: all who greeted meanwhile at once.
    pub fn greet_back(&mut self) {
        let now_ms = self.now_ms();
        if self.greeted && now_ms - self.greeted_ms >= HEARTBEAT_MS {
            (self.greeted, self.greeted_ms) = (false, now_ms);
            self.book.repeat(now_ms);
        }
    }

    /// Says what has not been said, unless something is under way.
    pub fn publish(&mut self) {
        let Some(session) = self.session.as_ref().filter(|_| !self.publishing) else { return };
        let (words, forgotten) = self.book.take_unsent(MAX_RECORDS, self.now_ms(), self.exchange.decay_per_ms());
        let silent_ms = self.now_ms() - self.said_ms;
        if words.is_empty() && forgotten.is_empty() && silent_ms < HEARTBEAT_MS && self.announcing.is_empty() {
            return;
        }
        let message = self.shared.seal(encode(self.node, words.iter().copied(), &forgotten));
        let letter = Letter { words, forgotten, bytes: message.len(), announcing: mem::take(&mut self.announcing) };
        let (mut session, options, generation) = (session.clone(), self.options.clone(), self.generation);
        self.publishing = true;
        self.tasks.spawn(async move {
            let sent = send(&mut session, &options.channel, message).await;
            Done::Published(generation, letter, sent)
        });
    }

    pub fn published(&mut self, generation: u64, letter: Letter, sent: Result<(), LinkError>) {
        self.publishing = false;
        for reply in letter.announcing {
            reply.send(sent.clone());
        }
        if let Err(error) = sent {
            self.book.put_back(&letter.words, &letter.forgotten);
            self.blame(generation, Some(error));
            return;
        }
        self.said_ms = self.now_ms();
        let counters = &self.shared.counters;
        count(&counters.sent_messages, 1);
        count(&counters.sent_bytes, letter.bytes);
        count(&counters.sent_words, letter.words.len());
        // What did not fit into one message, or has come meanwhile and somebody waits for.
        if letter.words.len() + letter.forgotten.len() >= MAX_RECORDS || !self.announcing.is_empty() {
            self.publish();
        }
    }

    /// Hears what the server says unasked.
    pub fn hear(&mut self, push: Push) {
        let bytes = match push {
            Push::Message(bytes) => bytes,
            Push::Lost(generation) => {
                return self.blame(generation, Some(LinkError::new(Kind::Lost, "connection closed by the server")));
            }
            Push::Moved(generation) => {
                return self.blame(generation, Some(LinkError::new(Kind::Moved, "the channel moved")));
            }
        };
        self.ears.heard(bytes.len());
        let Some(message) = self.admit(&bytes) else { return };
        count(&self.shared.counters.received_words, message.words.len());
        let now_ms = self.now_ms();
        self.meet(message.node, now_ms);
        self.words.hear(&message, now_ms);
        self.notice(&message);
        self.greeted |= message.greets && message.node != self.node;
    }

    /// Tells the deciding thread what has changed by what was heard.
    pub fn tell(&mut self) {
        let mut heard = Vec::new();
        let now_ms = self.now_ms();
        self.words.drain(now_ms, |key, aggregate| heard.push((key, aggregate)));
        self.exchange.tell(heard);
    }

    /// Takes over what the others have stored: of those that are still there, as if they had just said it.
    pub fn learn(&mut self, records: &Records, now_ms: Millis) {
        let (unix_ms, expire_ms) = (unix_ms(), self.options.expiry());
        let mut newest: HashMap<NodeId, Millis> = HashMap::new();
        for (node, record) in records.values().flatten().filter(|(node, _)| *node != LEGACY) {
            let age_ms = age_ms(record, unix_ms, expire_ms);
            newest.entry(*node).and_modify(|known| *known = known.min(age_ms)).or_insert(age_ms);
        }
        if self.shared.keyring.is_none() {
            self.bound_strangers(&mut newest);
        }
        let mut messages: HashMap<NodeId, Message> = HashMap::new();
        for (name, said) in records {
            for (node, record) in
                said.iter().filter(|(node, _)| newest.get(node).is_some_and(|age_ms| *age_ms <= SILENCE_MS))
            {
                let faded = (-self.exchange.decay_per_ms() * age_ms(record, unix_ms, expire_ms)).exp();
                let word = Word { scar: record.scar * faded, ..record.word() };
                let message = messages.entry(*node).or_insert_with(|| Message {
                    node: *node,
                    words: Vec::new(),
                    forgotten: Vec::new(),
                    greets: false,
                });
                message.words.push((RouteKey::of(name), word));
            }
        }
        for message in messages.values() {
            self.words.hear(message, now_ms);
        }
        for node in newest.into_keys() {
            self.meet(node, now_ms);
        }
        self.tell();
    }

    /// Whoever can write to the store can invent nodes in it: they take half of the places at the most, those that wrote last.
    fn bound_strangers(&mut self, newest: &mut HashMap<NodeId, Millis>) {
        let room = (MAX_NODES / 2).saturating_sub(self.nodes.len());
        let mut strangers: Vec<_> = newest.iter().filter(|(node, _)| !self.nodes.contains_key(*node)).collect();
        if strangers.len() <= room {
            return;
        }
        strangers.sort_unstable_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(b.0)));
        let turned_away: Vec<NodeId> = strangers.into_iter().skip(room).map(|(node, _)| *node).collect();
        self.strangers += turned_away.len() as u64;
        for node in turned_away {
            newest.remove(&node);
        }
    }

    fn meet(&mut self, node: NodeId, now_ms: Millis) {
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&node) {
            let eldest = self.nodes.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(node, _)| *node);
            eldest.map(|node| self.nodes.remove(&node));
        }
        self.nodes.insert(node, now_ms);
    }
}
