//! The parts of the package that read what others wrote, from its own sources: `#[path]` reaches what is private there, and
//! leaves out N-API and Redis.
#![allow(unsafe_code, missing_docs, dead_code, unused_imports)]

#[path = "../src/clock.rs"]
pub mod clock;
#[path = "../src/engine/mod.rs"]
pub mod engine;
#[path = "../src/physics/mod.rs"]
pub mod physics;
#[path = "../src/simd/mod.rs"]
pub mod simd;
#[path = "../src/units.rs"]
pub mod units;

#[path = "../src/binding"]
pub mod binding {
    #[path = "frame.rs"]
    pub mod frame;
}

#[path = "../src/state"]
pub mod state {
    #[path = "exchange.rs"]
    pub mod exchange;
    #[path = "key.rs"]
    mod key;
    #[path = "nodes.rs"]
    mod nodes;
    #[path = "redis/record.rs"]
    pub mod record;
    #[path = "seniority.rs"]
    mod seniority;
    #[path = "wire.rs"]
    pub mod wire;
    #[path = "word.rs"]
    mod word;
    #[path = "words.rs"]
    pub mod words;

    pub use exchange::{Exchange, Outbox};
    pub use wire::{Malformed, Message, decode, encode, greeting};
    pub use word::{NodeId, RouteKey, Saying, Word};
    pub use words::{Limits, Words};
}
