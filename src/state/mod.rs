//! What nodes tell each other of their routes: never in-flight work, never limits, only scars and resistance.
//!
//! | file | what is in it |
//! |---|---|
//! | `word` | what a node says of a route |
//! | `key` | by which key others know it |
//! | `wire` | how it travels |
//! | `seal`, `replay` | where there is a secret: who proves to have it, and what came before |
//! | `newcomers`, `seniority` | where there is none: how many unknown nodes are let in, and how much they count |
//! | `nodes` | who is heard |
//! | `words` | what the others say, bounded, and what it comes to |
//! | `exchange` | where the thread that decides and the thread that talks meet |
//! | `redis` | the thread that talks, over Redis |

pub mod exchange;
mod key;
pub mod newcomers;
mod nodes;
pub mod redis;
pub mod replay;
pub mod seal;
pub mod seniority;
pub mod wire;
mod word;
pub mod words;

pub use exchange::{Exchange, Outbox};
pub use seal::Keyring;
pub use wire::{Malformed, Message, decode, encode, greeting};
pub use word::{NodeId, RouteKey, Saying, Word};
pub use words::{Limits, Words};
