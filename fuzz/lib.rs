//! The parts of the package that read what others wrote, from its own sources: `#[path]` reaches what is private there, and
//! leaves out N-API and Redis.
#![allow(unsafe_code, missing_docs, dead_code, unused_imports)]

#[macro_use]
#[path = "../src/image.rs"]
pub mod image;

#[path = "../src/clock.rs"]
pub mod clock;
#[path = "../src/engine/mod.rs"]
pub mod engine;
#[path = "../src/physics/mod.rs"]
pub mod physics;
#[path = "../src/simd/mod.rs"]
pub mod simd;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/units.rs"]
pub mod units;

#[path = "../src/binding"]
pub mod binding {
    #[path = "acquire.rs"]
    pub mod acquire;
    #[path = "batch.rs"]
    pub mod batch;
    #[path = "blocks.rs"]
    pub mod blocks;
    #[path = "frame.rs"]
    pub mod frame;
    #[path = "law.rs"]
    mod law;
}

#[path = "../src/replication"]
pub mod replication {
    #[path = "codec.rs"]
    pub mod codec;
    #[path = "key.rs"]
    mod key;
    #[path = "mailbox.rs"]
    pub mod mailbox;
    #[path = "membership.rs"]
    mod membership;
    #[path = "peer_routes.rs"]
    mod peer_routes;
    #[path = "peers.rs"]
    pub mod peers;
    #[path = "redis/record.rs"]
    pub mod record;
    #[path = "report.rs"]
    mod report;
    #[path = "seniority.rs"]
    mod seniority;

    pub use codec::{Malformed, Message, decode, encode, greeting};
    pub use mailbox::{Mailbox, Outbox};
    pub use peers::{Limits, PeerTable};
    pub use report::{NodeId, OutboundReport, Report, RouteKey};
}
