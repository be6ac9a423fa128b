//! The requests to the client's thread, their replies, and events.

use super::{
    document::{Document, DocumentWrite},
    error::ClientError,
    record::Record,
};
use crate::replication::{NodeId, RouteName};

type Then<T> = Box<dyn FnOnce(Result<T, ClientError>) + Send>;

/// The callback that waits for an answer; dropping it answers that the client is closed.
///
/// ```
/// use std::sync::mpsc;
///
/// use atrion::replication::redis::Reply;
///
/// let (sender, answers) = mpsc::channel();
/// Reply::new(move |answer: Result<u32, _>| drop(sender.send(answer))).send(Ok(7));
/// assert!(matches!(answers.recv(), Ok(Ok(7))));
/// ```
pub struct Reply<T>(Option<Then<T>>);

impl<T> Reply<T> {
    /// Calls `then` once, on the client's thread.
    pub fn new(then: impl FnOnce(Result<T, ClientError>) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Answers.
    pub fn send(mut self, answer: Result<T, ClientError>) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(Err(ClientError::closed()));
        }
    }
}

/// A request.
pub enum Request {
    /// Write a route's state and publish it.
    Update(RouteName, Record, Reply<()>),
    /// Read the newest state of a route, of any node.
    Get(RouteName, Reply<Option<Record>>),
    /// Remove a route, of all nodes, and publish that.
    Delete(RouteName, Reply<()>),
    /// List the names of all routes.
    List(Reply<Vec<RouteName>>),
    /// Emit events when another node changes this route, or no longer.
    Watch(RouteName, bool),
    /// Read or write a document.
    Document(DocumentRequest),
    /// Publish and store what is not, and end.
    Close(Reply<()>),
}

/// A request for a document.
pub enum DocumentRequest {
    /// Reads the document of that name.
    Read(String, Reply<Document>),
    /// Writes a document that has the given version, and publishes the new one; answers whether it had.
    Write(DocumentWrite, Reply<bool>),
}

impl DocumentRequest {
    /// Answers with an error.
    pub fn refuse(self, error: ClientError) {
        match self {
            Self::Read(_, reply) => reply.send(Err(error)),
            Self::Write(_, reply) => reply.send(Err(error)),
        }
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The connection is lost, or nothing can be stored; the reason.
    Degraded(String),
    /// Publishing and storing work again.
    Restored,
    /// Another node wrote the document of that name.
    Written(String),
    /// Another node reported a route that is watched.
    Changed(RouteName, NodeId, Record),
}

/// The listener of events, called on the client's thread.
pub type Listener = Box<dyn Fn(Event) + Send + Sync>;
