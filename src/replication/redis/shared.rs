//! The state that the client and its thread share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

use super::{
    document::KnownDocuments,
    health::random,
    options::ClientOptions,
    record::{Record, Records, age_ms},
    request::{Event, Listener},
    stats::Counters,
};
use crate::{
    replication::{Keyring, Loaded, NodeId, replay::RecordCounters},
    units::Millis,
};

/// The state of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Not connected: not yet, or no longer.
    Closed,
    /// Connecting for the first time.
    Connecting,
    /// Publishing, receiving and storing.
    Healthy,
    /// The connection is lost, or nothing can be stored. The client keeps trying.
    Degraded,
}

/// The state that both threads see.
pub(super) struct Shared {
    pub node: NodeId,
    pub counters: Counters,
    /// Set where there is a secret.
    pub keyring: Option<Keyring>,
    /// The counters of the records that were read.
    pub records: Mutex<RecordCounters>,
    pub expire_ms: Millis,
    /// The documents that this node knows.
    pub documents: KnownDocuments,
    /// True when notices of documents are wanted.
    pub watches_documents: AtomicBool,
    /// The last counter that this node signed.
    counter: AtomicU64,
    state: AtomicU8,
    loaded: Mutex<Option<Loaded>>,
    listener: Mutex<Option<Arc<Listener>>>,
}

impl Shared {
    /// The state of a client that is not connected yet; `secrets` are not kept.
    pub fn new(options: &ClientOptions, secrets: &[Vec<u8>]) -> Self {
        Self {
            node: options.zone.as_deref().map_or(NodeId(random()), |zone| NodeId::in_zone(zone, random())),
            counters: Counters::default(),
            keyring: Keyring::new(secrets, &options.channel, &options.key_prefix),
            records: Mutex::new(RecordCounters::new(options.max_routes)),
            expire_ms: options.expiry(),
            documents: KnownDocuments::default(),
            watches_documents: AtomicBool::new(false),
            counter: AtomicU64::new(0),
            state: AtomicU8::new(State::Closed as u8),
            loaded: Mutex::default(),
            listener: Mutex::default(),
        }
    }

    /// A counter above all that this node signed before.
    pub fn next_counter(&self) -> u64 {
        self.counter.fetch_add(1, Relaxed) + 1
    }

    /// The present state.
    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            1 => State::Connecting,
            2 => State::Healthy,
            3 => State::Degraded,
            _ => State::Closed,
        }
    }

    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    /// Sets the listener of events, in place of the one before.
    pub fn set_listener(&self, listener: Listener) {
        *self.listener.lock() = Some(Arc::new(listener));
    }

    pub fn emit(&self, event: Event) {
        let listener = self.listener.lock().clone();
        if let Some(listener) = listener {
            listener(event);
        }
    }

    /// Keeps what was loaded until it is taken.
    pub fn set_loaded(&self, records: &Records, unix_ms: Millis, expire_ms: Millis) {
        let reports = |stored: &Vec<(NodeId, Record)>| {
            stored.iter().map(|(_, record)| (record.report(), age_ms(record, unix_ms, expire_ms))).collect()
        };
        let loaded = records.iter().map(|(name, stored)| (name.clone(), reports(stored))).collect();
        *self.loaded.lock() = Some(loaded);
    }

    /// Takes what was loaded; once.
    pub fn take_loaded(&self) -> Option<Loaded> {
        self.loaded.lock().take()
    }
}

/// The wall clock, which the nodes share, ms.
pub(super) fn unix_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}
