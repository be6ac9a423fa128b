//! The reports of nodes to each other on their routes: never in-flight work, never limits, only scars and resistance.
//!
//! | file | content |
//! |---|---|
//! | `report` | a report of a route, by this node or a peer |
//! | `key` | the key of a route on the wire |
//! | `codec` | messages as bytes |
//! | `notice` | the message that a document was written |
//! | `seal`, `replay` | with a secret: MACs of messages and records, and protection from repetitions |
//! | `newcomers`, `seniority` | without one: how many unknown nodes are accepted, and how much they count |
//! | `membership` | the nodes that are live |
//! | `peers`, `peer_routes` | the reports of peers, bounded, and their aggregates |
//! | `mailbox` | what the deciding thread and the client's thread exchange |
//! | `transport` | the seam to a store |
//! | `transfer` | what crosses it as bytes, where the store is in another addon |
//! | `redis` | the client's thread, over Redis |

pub mod codec;
mod key;
pub mod mailbox;
mod membership;
pub mod newcomers;
pub mod notice;
mod peer_routes;
pub mod peers;
#[cfg(feature = "redis")]
pub mod redis;
pub mod replay;
mod report;
pub mod seal;
pub mod seniority;
pub mod transfer;
mod transport;

pub use codec::{Malformed, Message, decode, encode, greeting};
pub use mailbox::{Mailbox, Outbox};
pub use peers::{Limits, PeerTable};
pub use report::{NodeId, OutboundReport, Report, RouteKey};
pub use seal::Keyring;
pub use transport::{Loaded, RouteName, Transport};
