//! The opening of a session: a connection, a greeting, and what the others have stored.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{
    connect::{self, PushHandler, Session},
    error::ClientError,
    options::{ClientOptions, Endpoint},
    publisher::send,
    record::{Record, Records},
    shared::{Shared, unix_ms},
    store,
};
use crate::replication::{NodeId, greeting, seal::Unproven};

/// A session that works.
pub(super) struct Opened {
    pub session: Session,
    /// The records of the others, as far as they could be loaded.
    pub loaded: Loading,
}

/// The records that were read from the store, and whether these were all.
#[derive(Default)]
pub(super) struct Loading {
    /// The records of the others.
    pub records: Records,
    /// Bytes of the names in it.
    name_bytes: usize,
    /// There is nothing left to load.
    pub complete: bool,
}

/// Names loaded take no more than this, bytes.
const MAX_NAME_BYTES: usize = 64 << 20;

impl Loading {
    /// Puts a record among the others; how many routes there are, or more than any limit when there is no room left.
    fn take(&mut self, max_routes: usize, node: NodeId, name: &[u8], record: Record) -> usize {
        if !self.records.contains_key(name) {
            if self.name_bytes + name.len() > MAX_NAME_BYTES {
                return usize::MAX;
            }
            self.name_bytes += name.len();
        }
        // A record by a clock that is ahead counts as written now.
        let record = Record { at_unix_ms: record.at_unix_ms.min(unix_ms()), ..record };
        store::keep(&mut self.records, max_routes, node, name, record);
        self.records.len()
    }
}

/// Opens a session within the connect timeout. What could not be loaded in that time, or at all, is loaded later.
pub(super) async fn open(
    options: &ClientOptions,
    shared: &Shared,
    known: &[Endpoint],
    handler: PushHandler,
) -> Result<Opened, ClientError> {
    let deadline = Instant::now() + Duration::from_millis(options.connect_timeout_ms);
    let late = || ClientError::timed_out("connecting", options.connect_timeout_ms);
    let probe_key = format!("{}{:016x}:probe", options.key_prefix, shared.node.0);
    let opening = async {
        let mut session = connect::open(options, known, &probe_key, handler).await?;
        // Peers have to know this node before they read what it wrote.
        send(&mut session, &options.channel, shared.seal(greeting(shared.node))).await?;
        Ok::<_, ClientError>(session)
    };
    let session = timeout_at(deadline, opening).await.map_err(|_| late())??;
    // Subscribed first, loaded then: what is published in between is received.
    let loaded = load(options, shared, &session, deadline).await;
    Ok(Opened { session, loaded })
}

/// Loads what the others have stored, over a connection of its own, until `deadline`. What was read when it fails was read.
pub(super) async fn load(options: &ClientOptions, shared: &Shared, session: &Session, deadline: Instant) -> Loading {
    let loading = Mutex::new(Loading::default());
    let reading = async {
        let mut store = connect::reader(options, session).await?;
        let keys = store::scan(&mut store, &options.key_prefix, options.max_routes).await?;
        let others: Vec<_> = keys.hashes.into_iter().filter(|(node, _)| *node != shared.node).collect();
        let take = |node, name: &[u8], record| loading.lock().take(options.max_routes, node, name, record);
        let prefix = &options.key_prefix;
        store::read(&mut store, prefix, &others, options.max_routes, shared, take).await?;
        if shared.keyring.is_some() {
            // A record of atrion 2.0 proves nothing.
            shared.count_unproven(Unproven::Unsigned, keys.legacy.len());
            return Ok(());
        }
        store::read_legacy(&mut store, prefix, &keys.legacy, &shared.counters, take).await
    };
    let complete = matches!(timeout_at(deadline, reading).await, Ok(Ok(())));
    let loaded = Loading { complete, ..loading.into_inner() };
    shared.counters.loaded_routes.store(loaded.records.len() as u64, Relaxed);
    loaded
}
