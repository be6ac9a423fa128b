//! The link's thread: one loop that owns everything, and never waits for the server.
//!
//! Whatever takes a round trip runs as a task and reports back; the loop itself only looks at tables. So a server that
//! is slow, paused or gone delays what it was asked, and nothing else: what is said meanwhile is merged, and requests are
//! answered. At most one publish and one write are under way: the server's own pace decides how much is merged.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

use super::{
    book::{Batch, Book},
    bus::{Ears, Letter, Push},
    connect::Session,
    error::{Kind, LinkError},
    health::{Backoff, Health, SETTLED_MS, Turn},
    link::{Shared, State},
    options::{LinkOptions, RESPONSE_TIMEOUT_MS},
    record::Record,
    request::{Event, Reply, Request, RouteName},
    serve::Noticed,
    session::{self, Loading, Opened},
};
use crate::{
    state::{Exchange, Limits, NodeId, RouteKey, Words, newcomers::Newcomers, replay::MessageCounters},
    units::Millis,
};

/// The loop looks around at least this often, however rarely it sends, ms.
const LONGEST_BEAT_MS: u64 = 250;
/// What the others have stored is loaded in so many attempts, or not at all.
const LATE_LOADS: u32 = 6;
/// Requests and messages taken at once, before the loop looks around.
const AT_ONCE: usize = 256;

/// What a task reports.
pub(super) enum Done {
    Opened(Result<Opened, LinkError>),
    Published(u64, Letter, Result<(), LinkError>),
    Stored(u64, Batch, Vec<(RouteKey, Reply<()>)>, Result<usize, LinkError>),
    /// Everything that was published before is heard by now: this route can be looked up.
    Caught(u64, RouteName, Reply<Option<Record>>, Result<(), LinkError>),
    Answered(u64, Option<LinkError>),
    /// What others said of a watched route, exactly.
    LookedUp(u64, RouteKey, Result<Vec<(NodeId, Record)>, LinkError>),
    /// What could not be loaded when the session began.
    Loaded(u64, Loading),
}

#[allow(clippy::struct_excessive_bools, reason = "they vary independently: each says what is under way")]
pub(super) struct Agent {
    pub options: Arc<LinkOptions>,
    pub exchange: Arc<Exchange>,
    pub shared: Arc<Shared>,
    pub node: NodeId,
    pub words: Words,
    pub book: Book,
    /// Other nodes that have been heard of, and when.
    pub nodes: HashMap<NodeId, Millis>,
    /// Places for nodes that are not among them, where there is no secret.
    pub newcomers: Newcomers,
    /// Those for which there was none.
    pub strangers: u64,
    /// How new the messages are that were heard, where there is one.
    pub messages: MessageCounters,
    pub watched: HashMap<RouteKey, RouteName>,
    /// Watched routes of which others said something, those that are to be looked up, and how many look-ups are under way.
    pub noticed: HashMap<RouteKey, Noticed>,
    pub to_look_up: VecDeque<RouteKey>,
    pub looking_up: usize,
    pub tasks: JoinSet<Done>,
    pub session: Option<Session>,
    /// Counts sessions: what an earlier one reports about itself is no news.
    pub generation: u64,
    pub publishing: bool,
    pub storing: bool,
    pub store_backoff: Backoff,
    pub urgent: Vec<(RouteKey, Reply<()>)>,
    pub announcing: Vec<Reply<()>>,
    pub said_ms: Millis,
    /// Somebody has begun to listen.
    pub greeted: bool,
    /// When somebody was told last what still matters.
    pub greeted_ms: Millis,
    pulse_ms: Millis,
    /// Routes that gave way in the book.
    crowded: u64,
    started: Instant,
    pub ears: Arc<Ears>,
    health: Health,
    opening: bool,
    ever_opened: bool,
    /// Attempts left at loading what the others have stored.
    late_loads: u32,
    load_backoff: Backoff,
    loading: bool,
    opened_ms: Millis,
    backoff: Backoff,
    known: Vec<super::options::Endpoint>,
    connecting: Option<Reply<()>>,
}

impl Agent {
    pub fn new(
        options: Arc<LinkOptions>,
        exchange: Arc<Exchange>,
        shared: Arc<Shared>,
        ears: Arc<Ears>,
        connecting: Reply<()>,
    ) -> Self {
        let node = shared.node;
        let limits = Limits { max_routes: options.max_routes, decay_per_ms: exchange.decay_per_ms(), own: node };
        let mut words = Words::new(limits);
        words.set_ranked(shared.keyring.is_none());
        Self {
            words,
            book: Book::new(options.max_routes, options.expiry()),
            nodes: HashMap::new(),
            newcomers: Newcomers::default(),
            strangers: 0,
            messages: MessageCounters::default(),
            watched: HashMap::new(),
            noticed: HashMap::new(),
            to_look_up: VecDeque::new(),
            looking_up: 0,
            tasks: JoinSet::new(),
            session: None,
            generation: 0,
            publishing: false,
            storing: false,
            store_backoff: Backoff::default(),
            urgent: Vec::new(),
            announcing: Vec::new(),
            said_ms: 0.0,
            greeted: false,
            greeted_ms: f64::NEG_INFINITY,
            pulse_ms: f64::NEG_INFINITY,
            crowded: 0,
            started: Instant::now(),
            health: Health::default(),
            opening: false,
            ever_opened: false,
            late_loads: LATE_LOADS,
            load_backoff: Backoff::default(),
            loading: false,
            opened_ms: 0.0,
            backoff: Backoff::default(),
            known: Vec::new(),
            connecting: Some(connecting),
            options,
            exchange,
            shared,
            node,
            ears,
        }
    }

    /// Runs until it is told to close, or nobody is left who could.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut pushes: mpsc::UnboundedReceiver<Push>) {
        let exchange = self.exchange.clone();
        let beat_ms = self.options.interval_ms.clamp(1, LONGEST_BEAT_MS);
        let mut beats = tokio::time::interval(Duration::from_millis(beat_ms));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.open();
        loop {
            tokio::select! {
                Some(push) = pushes.recv() => {
                    self.hear(push);
                    self.hear_all(&mut pushes);
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
                    // What was pushed before an answer came is heard before it counts.
                    self.hear_all(&mut pushes);
                    // A task that panicked has nothing to report; its replies told so themselves.
                    if let Ok(done) = done && self.finish(done).is_err() {
                        return;
                    }
                }
                () = exchange.said() => self.pulse(),
                _ = beats.tick() => self.beat(),
            }
        }
    }

    /// Milliseconds since this link started.
    pub fn now_ms(&self) -> Millis {
        self.started.elapsed().as_secs_f64() * 1e3
    }

    fn hear_all(&mut self, pushes: &mut mpsc::UnboundedReceiver<Push>) {
        for _ in 0..AT_ONCE {
            let Ok(push) = pushes.try_recv() else { break };
            self.hear(push);
        }
        self.tell();
    }

    fn beat(&mut self) {
        self.pulse();
        let now_ms = self.now_ms();
        self.words.set_decay_per_ms(self.exchange.decay_per_ms());
        self.words.sweep(now_ms);
        self.tell();
        self.book.sweep(now_ms);
        self.book.trim();
        self.store();
        self.load_late();
        if self.session.is_none() && !self.opening && now_ms >= self.backoff.due_ms {
            self.open();
        }
        self.report();
    }

    /// Sends what was said, if the last time that there was something is an interval ago.
    fn pulse(&mut self) {
        let now_ms = self.now_ms();
        // Two clocks that beat alike never beat exactly alike.
        if now_ms - self.pulse_ms < self.options.interval_ms as Millis * 0.9 {
            return;
        }
        if self.absorb() {
            self.pulse_ms = now_ms;
        }
        self.greet_back();
        self.publish();
        self.store();
    }

    /// Takes over what the deciding thread said; was there anything?
    pub fn absorb(&mut self) -> bool {
        let outbox = self.exchange.take_sayings();
        let (now_ms, at_ms) = (self.now_ms(), unix_ms());
        let mut crowded = 0;
        for saying in &outbox.sayings {
            crowded += usize::from(self.book.note(saying.key, &saying.name, Record::of(&saying.word, at_ms), now_ms));
        }
        self.crowded += crowded as u64;
        for key in outbox.wanted {
            self.words.want(key);
        }
        !outbox.sayings.is_empty()
    }

    fn open(&mut self) {
        self.opening = true;
        let ear = self.ears.of(self.generation);
        let (options, shared, known) = (self.options.clone(), self.shared.clone(), self.known.clone());
        self.tasks.spawn(async move { Done::Opened(session::open(&options, &shared, &known, ear).await) });
    }

    /// Err: there is no reason to go on.
    fn finish(&mut self, done: Done) -> Result<(), ()> {
        match done {
            Done::Opened(Ok(opened)) => self.opened(opened),
            Done::Opened(Err(error)) => {
                self.opening = false;
                self.generation += 1;
                if let Some(reply) = self.connecting.take() {
                    if self.options.required {
                        self.shared.set_state(State::Closed);
                        reply.send(Err(error));
                        return Err(());
                    }
                    reply.send(Ok(()));
                }
                self.backoff.fail(self.now_ms());
                let turn = self.health.connection(Some(error.message));
                self.turn(turn);
            }
            Done::Published(generation, words, result) => self.published(generation, words, result),
            Done::Stored(generation, batch, urgent, result) => self.stored(generation, batch, urgent, result),
            Done::Caught(generation, name, reply, Ok(())) => self.look_up(generation, name, reply),
            Done::Caught(generation, _, reply, Err(error)) => {
                reply.send(Err(error.clone()));
                self.blame(generation, Some(error));
            }
            Done::Answered(generation, error) => self.blame(generation, error),
            Done::LookedUp(generation, key, found) => self.looked_up(generation, key, found),
            Done::Loaded(generation, loaded) => self.loaded(generation, &loaded),
        }
        Ok(())
    }

    fn opened(&mut self, opened: Opened) {
        let now_ms = self.now_ms();
        self.opening = false;
        self.opened_ms = now_ms;
        if !opened.session.known.is_empty() {
            self.known.clone_from(&opened.session.known);
        }
        self.session = Some(opened.session);
        if self.ever_opened {
            self.shared.counters.reconnects.fetch_add(1, Relaxed);
            // Others may have missed it, and the server may have lost it.
            self.book.repeat(self.said_ms - RESPONSE_TIMEOUT_MS as Millis);
            self.book.store_again();
        }
        self.ever_opened = true;
        self.take_loaded(&opened.loaded, now_ms);
        self.said_ms = now_ms;
        let turn = self.health.connection(None);
        self.turn(turn);
        if let Some(reply) = self.connecting.take() {
            reply.send(Ok(()));
        }
        self.absorb();
        self.publish();
        self.store();
    }

    /// Takes over what was loaded; what was not is loaded later.
    fn take_loaded(&mut self, loaded: &Loading, now_ms: Millis) {
        self.learn(&loaded.records, now_ms);
        if self.late_loads > 0 {
            self.shared.lay_out(&loaded.records, unix_ms(), self.options.expiry());
            if loaded.complete {
                self.late_loads = 0;
            } else {
                self.late_loads -= 1;
                self.load_backoff.fail(now_ms);
            }
        }
    }

    /// Loads what could not be loaded when the session began.
    fn load_late(&mut self) {
        let Some(session) = self.session.clone().filter(|_| !self.loading && self.late_loads > 0) else { return };
        if self.now_ms() < self.load_backoff.due_ms {
            return;
        }
        self.loading = true;
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        self.tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + Duration::from_millis(options.connect_timeout_ms);
            Done::Loaded(generation, session::load(&options, &shared, &session, deadline).await)
        });
    }

    fn loaded(&mut self, generation: u64, loaded: &Loading) {
        self.loading = false;
        if generation == self.generation {
            self.take_loaded(loaded, self.now_ms());
        }
    }

    /// A session of this generation failed.
    pub fn blame(&mut self, generation: u64, error: Option<LinkError>) {
        let Some(error) = error else { return };
        if generation != self.generation || self.session.is_none() {
            return;
        }
        match error.kind {
            Kind::Refused | Kind::Closed => {}
            Kind::Moved => {
                // The server says where to go, so that is no trouble unless the next attempt fails.
                self.leave();
                self.open();
            }
            Kind::Lost => {
                self.leave();
                let turn = self.health.connection(Some(error.message));
                self.turn(turn);
                if self.backoff.due_ms <= self.now_ms() {
                    self.open();
                }
            }
        }
    }

    fn leave(&mut self) {
        self.session = None;
        self.generation += 1;
        // Whoever waits is told so now, not when there is a connection again.
        self.urgent.clear();
        self.announcing.clear();
        let now_ms = self.now_ms();
        if now_ms - self.opened_ms > SETTLED_MS {
            self.backoff.reset();
        } else {
            // It stood but a moment: not at once again.
            self.backoff.fail(now_ms);
        }
    }

    /// The store is bad for this reason, or well.
    pub fn judge_store(&mut self, trouble: Option<String>) {
        let turn = self.health.store(trouble);
        self.turn(turn);
    }

    fn turn(&mut self, turn: Option<Turn>) {
        self.shared.set_state(if self.health.is_degraded() { State::Degraded } else { State::Healthy });
        match turn {
            Some(Turn::Bad(reason)) => self.shared.emit(Event::Degraded(reason)),
            Some(Turn::Well) => self.shared.emit(Event::Restored),
            None => {}
        }
    }

    fn report(&self) {
        let counters = &self.shared.counters;
        let dropped = self.words.dropped();
        counters.dropped_words.store(self.crowded + dropped.routes + dropped.voices, Relaxed);
        counters.dropped_strangers.store(self.strangers + dropped.strangers, Relaxed);
        counters.nodes.store(self.words.speaking() as u64, Relaxed);
        counters.pending_routes.store(self.book.unstored() as u64, Relaxed);
    }

    /// Sends and stores what has not been, if the server takes it in time.
    async fn close(&mut self, pushes: &mut mpsc::UnboundedReceiver<Push>) {
        self.absorb();
        let flush = async {
            while self.session.is_some() {
                self.publish();
                self.store_all();
                if (!self.publishing && !self.storing) || self.health.is_degraded() {
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

/// The wall clock, which the nodes share, ms.
pub(super) fn unix_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}
