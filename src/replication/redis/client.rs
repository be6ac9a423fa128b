//! The client of the deciding thread: a handle, whose every call returns at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    document::{Document, DocumentWrite},
    driver::Driver,
    error::{ClientError, Kind},
    options::ClientOptions,
    record::Record,
    request::{DocumentRequest, Event, Listener, Reply, Request},
    shared::{Shared, State},
    stats::Stats,
    subscriber::PushReceiver,
};
use crate::replication::{Loaded, Mailbox, NodeId, RouteKey, RouteName, Transport};

/// The most requests that wait for the client's thread.
const MAX_WAITING: usize = 65_536;

/// A client that replicates over Redis. Dropping it ends its thread; only [`RedisClient::disconnect`] flushes first.
///
/// ```
/// use std::sync::mpsc;
///
/// use atrion::replication::redis::{ClientOptions, Endpoint, RedisClient, Reply};
///
/// // Nothing listens at that port.
/// let options = ClientOptions { endpoints: vec![Endpoint::Tcp("127.0.0.1".into(), 1)], ..ClientOptions::default() };
/// let client = RedisClient::new(options);
/// let (sender, connected) = mpsc::channel();
/// client.connect(Reply::new(move |answer| drop(sender.send(answer))));
/// assert!(connected.recv().expect("it answers").is_err());
/// ```
pub struct RedisClient {
    options: Arc<ClientOptions>,
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    watched: Mutex<HashMap<RouteKey, RouteName>>,
}

impl Transport for RedisClient {
    fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    fn take_loaded(&self) -> Option<Loaded> {
        self.shared.take_loaded()
    }
}

impl RedisClient {
    /// A client that is not connected yet.
    #[must_use]
    pub fn new(mut options: ClientOptions) -> Self {
        // The keys are kept, the secrets are not.
        let secrets = std::mem::take(&mut options.secrets);
        Self {
            mailbox: Arc::new(Mailbox::new(options.max_routes)),
            shared: Arc::new(Shared::new(&options, &secrets)),
            options: Arc::new(options),
            requests: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// The id of this node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.shared.counters.read();
        stats.dropped_reports += self.mailbox.dropped();
        stats
    }

    /// Sets the listener of events, called on the client's thread, in place of the one before.
    pub fn on_event(&self, listener: Listener) {
        self.shared.set_listener(listener);
    }

    /// Starts the client's thread and connects; `reply` is answered when the others' records are loaded.
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
        let (options, mailbox, shared) = (self.options.clone(), self.mailbox.clone(), self.shared.clone());
        shared.set_state(State::Connecting);
        let outer = shared.clone();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => {
                    let (pushing, pushed) = mpsc::unbounded_channel();
                    let receiver = Arc::new(PushReceiver::new(shared.clone(), pushing));
                    let driver = Driver::new(options, mailbox, shared, receiver, reply);
                    runtime.block_on(driver.run(requested, pushed));
                    // A name that is being resolved is not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    shared.set_state(State::Closed);
                    reply.send(Err(ClientError::new(Kind::Closed, error.to_string())));
                }
            }
        };
        // A thread that panics has dropped every reply that was due, and `connect` starts another.
        let body = move || {
            if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                outer.set_state(State::Degraded);
                outer.emit(Event::Degraded("the client's thread panicked".into()));
            }
        };
        // On failure `body` is dropped, and with it the reply.
        if thread::Builder::new().name("atrion-redis".into()).spawn(body).is_ok() {
            *running = Some(requests);
        } else {
            self.shared.set_state(State::Closed);
        }
    }

    /// Publishes and stores what is not, for at most two seconds, and ends the client's thread.
    pub fn disconnect(&self, reply: Reply<()>) {
        let Some(requests) = self.requests.lock().take() else {
            reply.send(Ok(()));
            return;
        };
        // The thread may have ended, or be about to: then there is nothing left to close.
        let done = Reply::new(move |_| reply.send(Ok(())));
        let _ = requests.try_send(Request::Close(done));
    }

    /// Writes a route's state and publishes it.
    pub fn update(&self, name: RouteName, record: Record, reply: Reply<()>) {
        self.request(Request::Update(name, record, reply));
    }

    /// Reads the newest state of a route, of any node.
    pub fn get(&self, name: RouteName, reply: Reply<Option<Record>>) {
        self.request(Request::Get(name, reply));
    }

    /// Removes a route, of all nodes.
    pub fn delete(&self, name: RouteName, reply: Reply<()>) {
        self.request(Request::Delete(name, reply));
    }

    /// Lists the names of all routes in the store, at most `max_routes`.
    pub fn list(&self, reply: Reply<Vec<RouteName>>) {
        self.request(Request::List(reply));
    }

    /// Emits [`Event::Changed`] when another node changes this route, or no longer.
    pub fn watch(&self, name: RouteName, on: bool) {
        match self.watched.lock().entry(RouteKey::of(&name)) {
            Entry::Occupied(watched) if !on => drop(watched.remove()),
            Entry::Vacant(place) if on => drop(place.insert(name.clone())),
            _ => {}
        }
        self.request(Request::Watch(name, on));
    }

    /// Reads a document.
    pub fn read_document(&self, name: String, reply: Reply<Document>) {
        self.request(Request::Document(DocumentRequest::Read(name, reply)));
    }

    /// Writes a document if it has the version that is to be replaced; whether it had.
    pub fn write_document(&self, order: DocumentWrite, reply: Reply<bool>) {
        self.request(Request::Document(DocumentRequest::Write(order, reply)));
    }

    /// Emits [`Event::Written`] when another node wrote a document, or no longer.
    pub fn watch_documents(&self, on: bool) {
        self.shared.watches_documents.store(on, Relaxed);
    }

    fn request(&self, request: Request) {
        if let Some(requests) = &*self.requests.lock() {
            // A request that does not fit is dropped, which answers it.
            let _ = requests.try_send(request);
        }
    }
}
