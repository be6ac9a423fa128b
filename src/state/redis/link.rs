//! What the deciding thread holds of a link: a handle, whose every call returns at once.

use std::{
    collections::hash_map::Entry,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    agent::Agent,
    bus::Ears,
    error::{Kind, LinkError},
    health::random,
    options::LinkOptions,
    record::Record,
    request::{Event, Listener, Reply, Request, RouteName},
    stats::{Counters, Stats},
    store::{Records, age_ms},
};
use crate::{
    state::{Exchange, Keyring, NodeId, RouteKey, Word, replay::RecordCounters},
    units::Millis,
};

/// Requests that may wait for the link's thread.
const MAX_WAITING: usize = 65_536;

/// What was known when the link first connected: of every route what every other node said, and how long ago, ms.
pub type Loaded = Vec<(RouteName, Vec<(Word, Millis)>)>;

/// How the link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Not connected: never, or no longer.
    Closed,
    /// For the first time.
    Connecting,
    /// The others hear, and are heard.
    Healthy,
    /// They do not, or nothing can be stored. The link keeps trying.
    Degraded,
}

/// What both threads see.
pub(super) struct Shared {
    pub node: NodeId,
    pub counters: Counters,
    /// Where there is a secret.
    pub keyring: Option<Keyring>,
    /// How new the records are that were read.
    pub records: Mutex<RecordCounters>,
    pub expire_ms: Millis,
    /// What this node signed last.
    counter: AtomicU64,
    state: AtomicU8,
    loaded: Mutex<Option<Loaded>>,
    listener: Mutex<Option<Arc<Listener>>>,
}

impl Shared {
    /// A number above all that this node signed before.
    pub fn next_counter(&self) -> u64 {
        self.counter.fetch_add(1, Relaxed) + 1
    }

    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    pub fn emit(&self, event: Event) {
        let listener = self.listener.lock().clone();
        if let Some(listener) = listener {
            listener(event);
        }
    }

    /// Lays out what was loaded, for whoever takes it.
    pub fn lay_out(&self, records: &Records, unix_ms: Millis, expire_ms: Millis) {
        let words = |said: &Vec<(NodeId, Record)>| {
            said.iter().map(|(_, record)| (record.word(), age_ms(record, unix_ms, expire_ms))).collect()
        };
        let loaded = records.iter().map(|(name, said)| (name.clone(), words(said))).collect();
        *self.loaded.lock() = Some(loaded);
    }
}

/// A link to the other nodes over Redis. Dropping it ends its thread; only [`RedisLink::disconnect`] flushes first.
pub struct RedisLink {
    options: Arc<LinkOptions>,
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    watched: Mutex<std::collections::HashMap<RouteKey, RouteName>>,
}

impl RedisLink {
    /// A link that is not connected yet.
    #[must_use]
    pub fn new(mut options: LinkOptions) -> Self {
        // The keys are kept, the secrets are not.
        let secrets = std::mem::take(&mut options.secrets);
        Self {
            exchange: Arc::new(Exchange::new(options.max_routes)),
            shared: Arc::new(Shared {
                node: NodeId(random()),
                counters: Counters::default(),
                keyring: Keyring::new(&secrets, &options.channel, &options.key_prefix),
                records: Mutex::new(RecordCounters::new(options.max_routes)),
                expire_ms: options.expiry(),
                counter: AtomicU64::new(0),
                state: AtomicU8::new(State::Closed as u8),
                loaded: Mutex::default(),
                listener: Mutex::default(),
            }),
            options: Arc::new(options),
            requests: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// Where the deciding thread says what it measured and hears what the others did.
    #[must_use]
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Who this node is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// How it is now.
    #[must_use]
    pub fn state(&self) -> State {
        match self.shared.state.load(Relaxed) {
            1 => State::Connecting,
            2 => State::Healthy,
            3 => State::Degraded,
            _ => State::Closed,
        }
    }

    /// What went over it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.counters.read();
        stats.dropped_words += self.exchange.dropped();
        stats
    }

    /// What the others had stored when it first connected; once.
    #[must_use]
    pub fn take_loaded(&self) -> Option<Loaded> {
        self.shared.loaded.lock().take()
    }

    /// Who hears of events, on the link's thread; it replaces the one before.
    pub fn listen(&self, listener: Listener) {
        *self.shared.listener.lock() = Some(Arc::new(listener));
    }

    /// Starts the link's thread and connects; what there is to load is loaded when `reply` is answered.
    pub fn connect(&self, reply: Reply<()>) {
        let mut running = self.requests.lock();
        if running.as_ref().is_some_and(|requests| !requests.is_closed()) {
            reply.send(Ok(()));
            return;
        }
        let (requests, requested) = mpsc::channel(MAX_WAITING);
        for name in self.watched.lock().values() {
            // There is room.
            let _ = requests.try_send(Request::Watch(name.clone(), true));
        }
        let (options, exchange, shared) = (self.options.clone(), self.exchange.clone(), self.shared.clone());
        shared.set_state(State::Connecting);
        let told = shared.clone();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => {
                    let (pushing, pushed) = mpsc::unbounded_channel();
                    let ears = Arc::new(Ears::new(shared.clone(), pushing));
                    let agent = Agent::new(options, exchange, shared, ears, reply);
                    runtime.block_on(agent.run(requested, pushed));
                    // A name that is being resolved is not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    shared.set_state(State::Closed);
                    reply.send(Err(LinkError::new(Kind::Closed, error.to_string())));
                }
            }
        };
        // A thread that panics has dropped every reply that was due, and `connect` starts another.
        let body = move || {
            if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                told.set_state(State::Degraded);
                told.emit(Event::Degraded("the link's thread panicked".into()));
            }
        };
        // On failure `body` is dropped, and with it the reply.
        if thread::Builder::new().name("atrion-redis".into()).spawn(body).is_ok() {
            *running = Some(requests);
        } else {
            self.shared.set_state(State::Closed);
        }
    }

    /// Sends and stores what has not been, for at most two seconds, and ends the link's thread.
    pub fn disconnect(&self, reply: Reply<()>) {
        let Some(requests) = self.requests.lock().take() else {
            reply.send(Ok(()));
            return;
        };
        // The thread may have ended, or be about to: then there is nothing left to close.
        let done = Reply::new(move |_| reply.send(Ok(())));
        let _ = requests.try_send(Request::Close(done));
    }

    /// Writes a route's state and tells the others.
    pub fn update(&self, name: RouteName, record: Record, reply: Reply<()>) {
        self.ask(Request::Update(name, record, reply));
    }

    /// The newest state of a route, whoever wrote it.
    pub fn get(&self, name: RouteName, reply: Reply<Option<Record>>) {
        self.ask(Request::Get(name, reply));
    }

    /// Removes a route, whoever wrote it.
    pub fn delete(&self, name: RouteName, reply: Reply<()>) {
        self.ask(Request::Delete(name, reply));
    }

    /// The names of all routes in the store, at most `max_routes`.
    pub fn list(&self, reply: Reply<Vec<RouteName>>) {
        self.ask(Request::List(reply));
    }

    /// [`Event::Changed`] when another node changes this route, or no longer.
    pub fn watch(&self, name: RouteName, on: bool) {
        match self.watched.lock().entry(RouteKey::of(&name)) {
            Entry::Occupied(watched) if !on => drop(watched.remove()),
            Entry::Vacant(place) if on => drop(place.insert(name.clone())),
            _ => {}
        }
        self.ask(Request::Watch(name, on));
    }

    fn ask(&self, request: Request) {
        if let Some(requests) = &*self.requests.lock() {
            // What does not fit is dropped, and says so.
            let _ = requests.try_send(request);
        }
    }
}
