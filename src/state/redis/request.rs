//! What is asked of the link's thread, and how it answers.

use std::sync::Arc;

use super::{error::LinkError, record::Record};
use crate::state::NodeId;

type Then<T> = Box<dyn FnOnce(Result<T, LinkError>) + Send>;

/// Whoever waits for an answer; one that is dropped is told that the link closed.
pub struct Reply<T>(Option<Then<T>>);

impl<T> Reply<T> {
    /// Calls `then` once, on the link's thread.
    pub fn new(then: impl FnOnce(Result<T, LinkError>) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Answers.
    pub fn send(mut self, answer: Result<T, LinkError>) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(Err(LinkError::closed()));
        }
    }
}

/// A route's name, in generalised UTF-8.
pub type RouteName = Arc<[u8]>;

/// What can be asked.
pub enum Request {
    /// Write a route's state, and tell the others.
    Update(RouteName, Record, Reply<()>),
    /// The newest state of a route, whoever wrote it.
    Get(RouteName, Reply<Option<Record>>),
    /// Remove a route, whoever wrote it, and tell the others.
    Delete(RouteName, Reply<()>),
    /// The names of all routes.
    List(Reply<Vec<RouteName>>),
    /// Tell when another node changes this route, or no longer.
    Watch(RouteName, bool),
    /// Send and store what has not been, and end.
    Close(Reply<()>),
}

/// What happened without being asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The others cannot be reached, or nothing can be stored.
    Degraded(String),
    /// Again they can.
    Restored,
    /// Another node said something of a route that is watched.
    Changed(RouteName, NodeId, Record),
}

/// Hears of events, on the link's thread.
pub type Listener = Box<dyn Fn(Event) + Send + Sync>;
