//! The beginning of a session: a connection, what the others have stored, and a word to say that one is there.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{
    bus::send,
    connect::{self, Ear, Session},
    error::LinkError,
    link::Shared,
    options::{Endpoint, LinkOptions},
    stats::count,
    store::{self, Records},
};
use crate::state::greeting;

/// A session that works.
pub(super) struct Opened {
    pub session: Session,
    /// What the others have stored.
    pub records: Records,
}

/// Opens a session within the connect timeout. What could not be loaded in that time is not: it will be heard.
pub(super) async fn open(
    options: &LinkOptions,
    shared: &Shared,
    known: &[Endpoint],
    ear: Ear,
) -> Result<Opened, LinkError> {
    let deadline = Instant::now() + Duration::from_millis(options.connect_timeout_ms);
    let late = || LinkError::timed_out("connecting", options.connect_timeout_ms);
    let probe_key = format!("{}{:016x}:probe", options.key_prefix, shared.node.0);
    let opening = async {
        let mut session = connect::open(options, known, &probe_key, ear).await?;
        // Who is there is to be known before anybody asks what they wrote.
        send(&mut session, &options.channel, greeting(shared.node)).await?;
        Ok::<_, LinkError>(session)
    };
    let session = timeout_at(deadline, opening).await.map_err(|_| late())??;
    // Subscribed first, loaded then: what is said in between is heard.
    let records = Arc::new(Mutex::new(Records::new()));
    let loading = async {
        let mut store = session.store.clone();
        let hashes = store::hashes(&mut store, &options.key_prefix).await?;
        let others: Vec<_> = hashes.into_iter().filter(|(node, _)| *node != shared.node).collect();
        let take = |node, name: &[u8], record| {
            let mut records = records.lock();
            store::keep(&mut records, options.max_routes, node, name, record);
            records.len()
        };
        store::read(&mut store, &options.key_prefix, &others, options.max_routes, &shared.counters, take).await
    };
    if let Ok(Err(error)) = timeout_at(deadline, loading).await {
        return Err(error);
    }
    let records = std::mem::take(&mut *records.lock());
    shared.counters.loaded_routes.store(0, std::sync::atomic::Ordering::Relaxed);
    count(&shared.counters.loaded_routes, records.len());
    Ok(Opened { session, records })
}
