//! The driver: the client's thread, one loop that selects among requests, pushes, completions and the clock, and never waits
//! for the server.
//!
//! Everything that takes a round trip runs as a task and reports its completion; the loop itself only reads and writes tables. So a
//! server that is slow, paused or gone delays what it was asked, and nothing else: what is reported meanwhile is merged, and
//! requests are answered. At most one message and one batch are under way: the server's own pace decides how much is merged.

mod documents;
mod outgoing;
mod requests;
mod sessions;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

use super::{
    connect::Session,
    error::{ClientError, Kind},
    health::{Backoff, Health},
    options::{ClientOptions, Endpoint, RESPONSE_TIMEOUT_MS},
    proof::Content,
    publisher::{PendingPublish, Publisher},
    queries::Watches,
    record::Record,
    request::{Event, Reply, Request},
    session::{Loading, Opened},
    shared::{Shared, State},
    subscriber::{PushReceiver, ServerPush, Subscriber},
    write_buffer::WriteBuffer,
    writer::{PendingWrite, Writer},
};
use crate::{
    replication::{Limits, Mailbox, NodeId, PeerTable, RouteKey},
    units::Millis,
};

/// The longest time between two passes of the periodic work, ms.
const LONGEST_BEAT_MS: u64 = 250;
/// The most attempts at loading what the others have stored: about five minutes of them, after which the others' reports have said
/// all that the store could.
const MAX_LOADS: u32 = 64;
/// The most pushes that are handled before the loop selects again.
const AT_ONCE: usize = 256;

/// The completion of a task; those of a session carry its generation.
enum Completion {
    Opened(Result<Opened, ClientError>),
    Published(u64, PendingPublish, Result<(), ClientError>),
    Stored(u64, PendingWrite, Result<usize, ClientError>),
    /// Everything that was published before has been received: this request can be served, of all nodes.
    Synced(u64, Request, Result<(), ClientError>),
    Answered(u64, Option<ClientError>),
    /// The records of a watched route.
    LookedUp(u64, RouteKey, Result<Vec<(NodeId, Record)>, ClientError>),
    /// The records that could not be loaded when the session was opened.
    Loaded(u64, Loading),
}

/// The state of the client's thread.
pub(super) struct Driver {
    options: Arc<ClientOptions>,
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    receiver: Arc<PushReceiver>,
    peers: PeerTable,
    buffer: WriteBuffer,
    publisher: Publisher,
    subscriber: Subscriber,
    writer: Writer,
    watches: Watches,
    /// One reference for each document that is being read or written, and one more.
    document_tasks: Arc<()>,
    tasks: JoinSet<Completion>,
    health: Health,
    started: Instant,
    /// The time at which reports were last taken from the mailbox, ms.
    sync_ms: Millis,
    /// Routes that gave way in the buffer.
    evicted_reports: u64,
    session: Option<Session>,
    /// Counts sessions: completions of an earlier one are ignored.
    generation: u64,
    is_opening: bool,
    was_opened: bool,
    opened_ms: Millis,
    backoff: Backoff,
    /// Endpoints that earlier sessions learned of.
    known: Vec<Endpoint>,
    /// Answers `connect`.
    connecting: Option<Reply<()>>,
    is_loading: bool,
    /// Attempts left at loading what the others have stored.
    loads_left: u32,
    load_backoff: Backoff,
}

impl Driver {
    pub fn new(
        options: Arc<ClientOptions>,
        mailbox: Arc<Mailbox>,
        shared: Arc<Shared>,
        receiver: Arc<PushReceiver>,
        connecting: Reply<()>,
    ) -> Self {
        let limits = Limits { max_routes: options.max_routes, decay_per_ms: mailbox.decay_per_ms(), own: shared.node };
        let mut peers = PeerTable::new(limits);
        peers.set_ranked(shared.keyring.is_none());
        peers.set_zoned(options.zone.is_some());
        Self {
            peers,
            buffer: WriteBuffer::new(options.max_routes, options.expiry()),
            publisher: Publisher::default(),
            subscriber: Subscriber::default(),
            writer: Writer::default(),
            watches: Watches::default(),
            document_tasks: Arc::default(),
            tasks: JoinSet::new(),
            health: Health::default(),
            started: Instant::now(),
            sync_ms: f64::NEG_INFINITY,
            evicted_reports: 0,
            session: None,
            generation: 0,
            is_opening: false,
            was_opened: false,
            opened_ms: 0.0,
            backoff: Backoff::default(),
            known: Vec::new(),
            connecting: Some(connecting),
            is_loading: false,
            loads_left: MAX_LOADS,
            load_backoff: Backoff::default(),
            options,
            mailbox,
            shared,
            receiver,
        }
    }

    /// Runs until it is asked to close, or the client is dropped.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut pushes: mpsc::UnboundedReceiver<ServerPush>) {
        let mailbox = self.mailbox.clone();
        let beat_ms = self.options.interval_ms.clamp(1, LONGEST_BEAT_MS);
        let mut beats = tokio::time::interval(Duration::from_millis(beat_ms));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.open();
        loop {
            tokio::select! {
                Some(push) = pushes.recv() => {
                    self.receive(push);
                    self.receive_all(&mut pushes);
                }
                request = requests.recv() => match request {
                    None => return,
                    Some(Request::Close(reply)) => {
                        self.close(&mut pushes).await;
                        self.shared.set_state(State::Closed);
                        reply.send(Ok(()));
                        return;
                    }
                    Some(request) => self.serve(request),
                },
                Some(done) = self.tasks.join_next() => {
                    // A message that was pushed before a completion is received before it counts.
                    self.receive_all(&mut pushes);
                    // A task that panicked has nothing to report; dropping its replies answered them.
                    if let Ok(done) = done && self.finish(done).is_err() {
                        return;
                    }
                }
                () = mailbox.outgoing() => self.sync(),
                _ = beats.tick() => self.beat(),
            }
        }
    }

    /// The time since the client's thread started, ms.
    fn now_ms(&self) -> Millis {
        self.started.elapsed().as_secs_f64() * 1e3
    }

    fn receive_all(&mut self, pushes: &mut mpsc::UnboundedReceiver<ServerPush>) {
        for _ in 0..AT_ONCE {
            let Ok(push) = pushes.try_recv() else { break };
            self.receive(push);
        }
        self.deliver();
    }

    fn receive(&mut self, push: ServerPush) {
        let bytes = match push {
            ServerPush::Message(bytes) => bytes,
            ServerPush::Lost(generation) => {
                let error = ClientError::new(Kind::Lost, "connection closed by the server");
                return self.session_failed(generation, Some(error));
            }
            ServerPush::Moved(generation) => {
                return self.session_failed(generation, Some(ClientError::new(Kind::Moved, "the channel moved")));
            }
        };
        self.receiver.taken(bytes.len());
        let now_ms = self.now_ms();
        let message = match self.subscriber.open(&bytes, &self.shared, now_ms) {
            Some(Content::Reports(message)) => message,
            Some(Content::Written(_, name)) if self.shared.watches_documents.load(Relaxed) => {
                return self.shared.emit(Event::Written(name));
            }
            _ => return,
        };
        self.peers.receive(&message, now_ms);
        if self.session.is_some() {
            self.watches.notice(&message);
            self.look_up_watched();
        }
        if message.greets && message.node != self.shared.node {
            self.publisher.greet();
        }
    }

    /// Delivers to the deciding thread what changed by what was received.
    fn deliver(&mut self) {
        let mut received = Vec::new();
        let now_ms = self.now_ms();
        self.peers.drain(now_ms, |key, aggregate| received.push((key, aggregate)));
        self.mailbox.deliver(received);
    }

    /// The periodic work.
    fn beat(&mut self) {
        self.sync();
        let now_ms = self.now_ms();
        self.peers.set_decay_per_ms(self.mailbox.decay_per_ms());
        self.peers.sweep(now_ms);
        self.deliver();
        self.buffer.sweep(now_ms);
        self.buffer.trim();
        self.store();
        self.load_late();
        if self.session.is_none() && !self.is_opening && now_ms >= self.backoff.due_ms {
            self.open();
        }
        self.count();
    }

    /// Handles a completion. Err: the thread is to end.
    fn finish(&mut self, done: Completion) -> Result<(), ()> {
        let now_ms = self.now_ms();
        match done {
            Completion::Opened(Ok(opened)) => self.opened(opened),
            Completion::Opened(Err(error)) => return self.not_opened(error),
            Completion::Published(generation, pending, sent) => {
                let more = self.publisher.finish(pending, &sent, &mut self.buffer, &self.shared, now_ms);
                self.session_failed(generation, sent.err());
                if more {
                    self.publish();
                }
            }
            Completion::Stored(generation, pending, stored) => {
                let done = self.writer.finish(pending, &stored, &mut self.buffer, &self.shared, now_ms);
                self.stored(generation, done, stored.err());
            }
            Completion::Synced(generation, request, answered) => self.synced(generation, request, answered),
            Completion::Answered(generation, error) => self.session_failed(generation, error),
            Completion::LookedUp(generation, key, found) => {
                if let Some(name) = self.watches.finish(key) {
                    for (node, record) in found.iter().flatten() {
                        self.shared.emit(Event::Changed(name.clone(), *node, *record));
                    }
                }
                self.session_failed(generation, found.err());
                self.look_up_watched();
            }
            Completion::Loaded(generation, loaded) => self.loaded(generation, &loaded),
        }
        Ok(())
    }

    /// Updates the counters that say how it is now.
    fn count(&self) {
        let counters = &self.shared.counters;
        let dropped = self.peers.dropped();
        counters.dropped_reports.store(self.evicted_reports + dropped.routes + dropped.reports, Relaxed);
        counters.dropped_strangers.store(self.subscriber.rejected() + dropped.strangers, Relaxed);
        counters.nodes.store(self.peers.live() as u64, Relaxed);
        counters.pending_routes.store(self.buffer.unstored() as u64, Relaxed);
    }

    /// Publishes and stores what is not, if the server takes it in time.
    async fn close(&mut self, pushes: &mut mpsc::UnboundedReceiver<ServerPush>) {
        self.take_outgoing();
        let flush = async {
            while self.session.is_some() {
                self.publish();
                self.write(true);
                let is_idle = !self.publisher.is_publishing() && !self.writer.is_writing();
                if is_idle || self.health.is_degraded() {
                    return;
                }
                if let Some(Ok(done)) = self.tasks.join_next().await
                    && self.finish(done).is_err()
                {
                    return;
                }
                while pushes.try_recv().is_ok() {}
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(RESPONSE_TIMEOUT_MS), flush).await;
    }
}
