//! The link to other nodes over Redis or Valkey, on a thread of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `link` | the handle, and what both threads see |
//! | `options` | what it has to know |
//! | `agent` | the thread: one loop that never waits |
//! | `session` | how a session begins |
//! | `connect` | servers, sentinels, clusters, TLS |
//! | `bus` | speaking and hearing |
//! | `proof` | what is believed |
//! | `serve` | storing, and answering what is asked |
//! | `store`, `record` | what is stored, and how |
//! | `book` | what this node said, and what of it is still to go out |
//! | `health` | when it is bad, when it is well, how long to wait |
//! | `request`, `error`, `stats` | what crosses between the threads |
//!
//! Rejected: a thread of the runtime for every provider's every connection (one loop keeps up with 10,000 routes a pulse),
//! and Redis scripts (nodes own their keys, so there is nothing to be atomic about).

mod agent;
mod book;
mod bus;
mod connect;
mod error;
mod health;
mod link;
mod options;
mod proof;
mod record;
mod request;
mod serve;
mod session;
mod stats;
mod store;

pub use error::{Kind, LinkError};
pub use link::{Loaded, RedisLink, State};
pub use options::{Endpoint, LinkOptions, RESPONSE_TIMEOUT_MS, Tls, Topology};
pub use record::Record;
pub use request::{Event, Listener, Reply, RouteName};
pub use stats::Stats;
