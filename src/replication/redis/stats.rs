//! The counters of the client, counted where it happens and read from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counters since the client was made.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: AtomicU64,)* }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Stats { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// The counters now.
            #[must_use]
            pub fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Messages published.
    sent_messages,
    /// Their bytes.
    sent_bytes,
    /// Reports in those messages.
    sent_reports,
    /// Routes written to the store.
    stored_routes,
    /// Bytes of their names and values.
    stored_bytes,
    /// Messages of others.
    received_messages,
    /// Their bytes.
    received_bytes,
    /// Reports in those messages.
    received_reports,
    /// Messages dropped because they were malformed.
    dropped_malformed,
    /// Messages dropped because they were too long, or came faster than they could be handled.
    dropped_oversized,
    /// Messages dropped because a later version wrote them.
    dropped_future,
    /// Stored values skipped because they are malformed.
    dropped_records,
    /// Messages and stored values without a MAC, where there is a secret.
    dropped_unsigned,
    /// Messages dropped because their MAC is by none of the secrets.
    dropped_forged,
    /// Messages dropped because they came before, or their time is too far from now.
    dropped_replayed,
    /// Messages of unknown nodes dropped because too many came at once, where there is no secret.
    dropped_strangers,
    /// Reports and routes that gave way to others, because tables are bounded.
    dropped_reports,
    /// Routes loaded from the store, last time.
    loaded_routes,
    /// Times that a connection had to be made again.
    reconnects,
    /// Live nodes.
    nodes,
    /// Routes of which something still has to be written.
    pending_routes,
}

/// Adds to a counter.
pub fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Relaxed);
}
