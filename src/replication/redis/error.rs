//! The errors of the client, as far as they are acted on.

use std::fmt;

use redis::RedisError;

use super::options::RESPONSE_TIMEOUT_MS;

/// The consequence of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The connection is of no use any more: a new one is needed, perhaps to another server.
    Lost,
    /// The server is well, but no longer in charge of what was asked for.
    Moved,
    /// The server refused: the same may succeed later.
    Refused,
    /// A stored value that no node of the service wrote.
    Unreadable,
    /// The client is not connected.
    Closed,
}

/// An error of the client.
///
/// ```
/// use atrion::replication::redis::{ClientError, Kind};
///
/// let error = ClientError::new(Kind::Lost, "refused").at("127.0.0.1:6379");
/// assert_eq!(error.kind, Kind::Lost);
/// assert!(error.to_string().contains("127.0.0.1:6379"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// The consequence of an error.
    pub kind: Kind,
    /// For people. Never contains a password.
    pub message: String,
}

impl ClientError {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The error that nothing came within this time.
    #[must_use]
    pub fn timed_out(what: &str, timeout_ms: u64) -> Self {
        Self::new(Kind::Lost, format!("{what} timed out after {timeout_ms} ms"))
    }

    /// The error that there is no connection.
    #[must_use]
    pub fn closed() -> Self {
        Self::new(Kind::Closed, "not connected")
    }

    /// The same, with where it happened.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}

impl From<RedisError> for ClientError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::timed_out("an answer", RESPONSE_TIMEOUT_MS);
        }
        let (lost, text) = (error.is_unrecoverable_error() || error.is_io_error(), error.to_string());
        let servers = error.into_server_errors();
        let Some((_, server)) = servers.as_ref().and_then(|errors| errors.first()) else {
            return Self::new(if lost { Kind::Lost } else { Kind::Refused }, text);
        };
        let kind = match server.code() {
            "MOVED" | "ASK" => Kind::Moved,
            // Only another connection can be authenticated anew, or lead to the present master.
            "READONLY" | "NOAUTH" | "WRONGPASS" | "MASTERDOWN" => Kind::Lost,
            _ => Kind::Refused,
        };
        Self::new(kind, format!("{} {}", server.code(), server.details().unwrap_or_default()))
    }
}
