//! What a node says of a route.

use std::sync::Arc;

use crate::units::{Ohms, PerMillis};

/// A node of the cluster, drawn at random when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// A route by a hash of its name: nodes that know the route know the name, and the others have no use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey(pub u64);

/// What a node says of a route that it measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Word {
    /// S, Ω, ≥ 0: what the node itself suffered, nothing of it hearsay.
    pub scar: Ohms,
    /// R, Ω.
    pub resistance: Ohms,
    /// M, 1/ms; kept in the store, not sent to the others.
    pub momentum: PerMillis,
    /// Ticks of the route on that node: the later word has more.
    pub ticks: u32,
    /// Requests it saw lately: how much its word weighs.
    pub requests: f64,
}

/// A word on its way out, with the route's name in generalised UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// The route.
    pub key: RouteKey,
    /// Its name, for the store.
    pub name: Arc<[u8]>,
    /// What is said.
    pub word: Word,
}
