//! What nodes tell each other of their routes: never in-flight work, never limits, only scars and resistance.
//!
//! | file | what is in it |
//! |---|---|
//! | `word` | what a node says of a route |

mod word;

pub use word::{NodeId, RouteKey, Saying, Word};
