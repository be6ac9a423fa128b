//! A document, its key, and the newest documents that a node knows.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::units::Millis;

/// Longest text, bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;
/// Documents whose newest version is remembered, where there is a secret.
const MAX_KNOWN: usize = 1024;
/// Bytes of the texts that are remembered.
const MAX_KNOWN_BYTES: usize = 16 << 20;

/// A document as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// 0: there is none.
    pub version: u64,
    /// None: there is none.
    pub text: Option<String>,
    /// The server's clock, Unix ms.
    pub now_ms: Millis,
}

/// A document to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentWrite {
    /// The name, 1 to 256 bytes.
    pub name: String,
    /// The version to replace; 0: there is none.
    pub version: u64,
    /// At most 1 MiB.
    pub text: String,
    /// The time after which it is gone, ms; 0: it stays.
    pub ttl_ms: u64,
}

/// A document that this node has read or written.
struct Known {
    version: u64,
    ttl_ms: u64,
    text: Option<String>,
}

/// The newest versions that this node knows, where there is a secret, and what it knows of the server's clock.
#[derive(Default)]
pub(super) struct KnownDocuments {
    newest: Mutex<HashMap<String, Known>>,
    /// The server's clock less this node's, ms.
    ahead_ms: Mutex<Millis>,
}

impl KnownDocuments {
    /// Notes a document that was read or written.
    pub fn note(&self, name: &str, version: u64, ttl_ms: u64, text: &str) {
        let mut newest = self.newest.lock();
        if newest.get(name).is_some_and(|known| known.version >= version) {
            return;
        }
        if newest.len() >= MAX_KNOWN && !newest.contains_key(name) {
            // Any: which of them is read again is not known.
            let some: Vec<_> = newest.keys().take(MAX_KNOWN / 2).cloned().collect();
            for name in some {
                newest.remove(&name);
            }
        }
        newest.insert(name.into(), Known { version, ttl_ms, text: Some(text.into()) });
        let bytes = |known: &Known| known.text.as_ref().map_or(0, String::len);
        if newest.values().map(bytes).sum::<usize>() > MAX_KNOWN_BYTES {
            for (other, known) in newest.iter_mut() {
                if other != name {
                    known.text = None;
                }
            }
        }
    }

    /// The version that is known, if it is above this one, and what of it is left to be restored.
    pub fn newer(&self, name: &str, version: u64) -> Option<(u64, u64, Option<String>)> {
        let newest = self.newest.lock();
        let known = newest.get(name).filter(|known| known.version > version)?;
        Some((known.version, known.ttl_ms, known.text.clone()))
    }

    /// Notes the server's clock, and this node's at the same time.
    pub fn note_clock(&self, server_ms: Millis, unix_ms: Millis) {
        *self.ahead_ms.lock() = server_ms - unix_ms;
    }

    /// The server's clock, by this node's.
    pub fn server_ms(&self, unix_ms: Millis) -> u64 {
        (unix_ms + *self.ahead_ms.lock()).max(1.0) as u64
    }
}

/// The key of a document.
pub(super) fn key_of(prefix: &str, name: &str) -> String {
    format!("{prefix}document:{name}")
}

/// Returns whether a key is that of a document.
pub(super) fn is_key(prefix: &str, key: &[u8]) -> bool {
    key.strip_prefix(prefix.as_bytes()).is_some_and(|rest| rest.starts_with(b"document:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_bounded_number_of_documents_is_known() {
        let known = KnownDocuments::default();
        known.note("a", 7, 0, "seven");
        known.note("a", 6, 0, "six");
        assert_eq!(known.newer("a", 6), Some((7, 0, Some("seven".into()))));
        assert_eq!(known.newer("a", 7), None);
        for n in 0..4 * MAX_KNOWN {
            known.note(&n.to_string(), 1, 0, "text");
            assert!(known.newest.lock().len() <= MAX_KNOWN);
            assert!(known.newer(&n.to_string(), 0).is_some(), "the newest is among them");
        }
        let long = "x".repeat(MAX_TEXT_BYTES);
        for n in 0..2 * MAX_KNOWN_BYTES / MAX_TEXT_BYTES {
            known.note(&format!("long {n}"), 1, 0, &long);
            let bytes: usize =
                known.newest.lock().values().filter_map(|known| known.text.as_ref().map(String::len)).sum();
            assert!(bytes <= MAX_KNOWN_BYTES);
        }
    }
}
