//! The client that replicates over Redis or Valkey, on a thread of its own.
//!
//! | file | content |
//! |---|---|
//! | `client` | the handle of the deciding thread |
//! | `shared` | the state that both threads see |
//! | `options` | the options |
//! | `driver` | the client's thread: one loop that only selects |
//! | `publisher` | messages to peers |
//! | `subscriber` | messages of peers, and the nodes that were seen |
//! | `writer`, `write_buffer` | records for the store, and what is still to be published and stored |
//! | `queries` | reads of the store, and look-ups of watched routes |
//! | `session` | the opening of a session, and what it loads |
//! | `connect` | servers, sentinels, clusters, TLS |
//! | `proof` | verification of messages and records |
//! | `store`, `record` | the stored hashes, and the values in them |
//! | `document`, `documents` | texts that nodes share, replaced by compare-and-set |
//! | `health` | degraded and restored, and the delays between attempts |
//! | `request`, `error`, `stats` | what crosses between the threads |
//!
//! Rejected: a thread of the runtime for every provider's every connection (one loop keeps up with 10,000 routes an interval),
//! and Redis scripts but for documents (nodes own their other keys, so there is nothing to be atomic about).

mod client;
mod connect;
mod document;
mod documents;
mod driver;
mod error;
mod health;
mod options;
mod proof;
mod publisher;
mod queries;
mod record;
mod request;
mod session;
mod shared;
mod stats;
mod store;
mod subscriber;
mod write_buffer;
mod writer;

pub use client::RedisClient;
pub use document::{Document, DocumentWrite};
pub use error::{ClientError, Kind};
pub use options::{ClientOptions, Endpoint, RESPONSE_TIMEOUT_MS, Tls, Topology};
pub use record::Record;
pub use request::{Event, Listener, Reply};
pub use shared::State;
pub use stats::Stats;
