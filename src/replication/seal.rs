//! Integrity of the channel and of the store, where the nodes of a service share a secret.
//!
//! ```text
//! message  "At" · version 2 · 0 · node u64 · counter u64 · sent at u64 (Unix ms) · a message of version 1 · MAC    28 + n + 32 bytes
//! record   version 2 · the rest of a record of version 1 · counter u64 · MAC                                       85 bytes
//! ```
//!
//! All little-endian. The MAC is HMAC-SHA256 by `ring`, which TLS brings along anyway, and is compared in constant time. Its key
//! is derived from the secret and from the channel (for messages) or the key prefix (for records and documents), so nothing that was written for
//! one of them proves anything on another. A record's MAC covers the node, the shard and the name of the route as well: a value that
//! is moved to another field or hash proves nothing.
//!
//! The first secret signs and every one verifies, so a secret is replaced without a gap: first all nodes accept the new one, then
//! all sign with it, then the old one goes.
//!
//! A document's MAC is kept beside it, and covers its name, version, time to live and text.
//!
//! A proven message may still be a repetition: see [`super::replay`]. Without a secret messages and records stay those of version 1;
//! such a node takes a sealed one for what is inside.

use ring::hmac::{self, HMAC_SHA256, Key};

use super::report::NodeId;

/// The version of sealed messages and records.
pub const VERSION: u8 = 2;
/// Bytes of a MAC.
const MAC_BYTES: usize = 32;
const COUNTER_BYTES: usize = 8;
/// Bytes of a sealed message before the message in it.
const HEADER_BYTES: usize = 28;
/// The beginning of a message, of whichever version.
const MAGIC: [u8; 2] = *b"At";

/// The reason why a message or record is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// The message or record has no MAC.
    Unsigned,
    /// The MAC is by none of the secrets.
    Forged,
}

/// A message whose MAC is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// The sender.
    pub node: NodeId,
    /// Greater than that of every earlier message of the sender.
    pub counter: u64,
    /// The time at which it was sent by the sender's clock, Unix ms.
    pub sent_unix_ms: u64,
    /// The message of version 1 inside.
    pub inner: &'a [u8],
}

/// The place at which a record is stored.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The node in whose hash it is.
    pub node: NodeId,
    /// The shard of the hash.
    pub shard: u8,
    /// The route's name, generalised UTF-8.
    pub name: &'a [u8],
}

/// The fields of a document that its MAC covers.
#[derive(Debug, Clone, Copy)]
pub struct DocumentFields<'a> {
    /// The document's name.
    pub name: &'a str,
    /// The document's version.
    pub version: u64,
    /// The document's time to live, ms; 0: it has no end.
    pub ttl_ms: u64,
    /// The document's text.
    pub text: &'a str,
}

/// The keys of one service, derived from its secrets. It has no `Debug`: keys are never shown.
///
/// ```
/// use atrion::replication::{Keyring, NodeId};
///
/// let secrets = [b"16 bytes or more".to_vec()];
/// let keyring = Keyring::new(&secrets, "atrion:sync", "atrion:state:").expect("there is a secret");
/// let mut sealed = keyring.seal_message(NodeId(7), 1, 1_700_000_000_000, b"inner");
/// assert_eq!(keyring.open_message(&sealed).map(|opened| opened.inner.to_vec()), Ok(b"inner".to_vec()));
/// *sealed.last_mut().expect("it has bytes") ^= 1;
/// assert!(keyring.open_message(&sealed).is_err());
/// ```
pub struct Keyring {
    messages: Vec<Key>,
    records: Vec<Key>,
    documents: Vec<Key>,
}

impl Keyring {
    /// The keys of secrets, of which the first signs; none where there is no secret.
    #[must_use]
    pub fn new(secrets: &[Vec<u8>], channel: &str, key_prefix: &str) -> Option<Self> {
        let derive = |label: &[u8], place: &str| -> Vec<Key> {
            let key_of = |secret: &Vec<u8>| {
                let tag = hmac::sign(&Key::new(HMAC_SHA256, secret), &[label, place.as_bytes()].concat());
                Key::new(HMAC_SHA256, tag.as_ref())
            };
            secrets.iter().map(key_of).collect()
        };
        (!secrets.is_empty()).then(|| Self {
            messages: derive(b"atrion message 2\0", channel),
            records: derive(b"atrion record 2\0", key_prefix),
            documents: derive(b"atrion document 1\0", key_prefix),
        })
    }

    /// A message of version 1 with its proof.
    #[must_use]
    pub fn seal_message(&self, node: NodeId, counter: u64, sent_unix_ms: u64, inner: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + inner.len() + MAC_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0]);
        bytes.extend_from_slice(&node.0.to_le_bytes());
        bytes.extend_from_slice(&counter.to_le_bytes());
        bytes.extend_from_slice(&sent_unix_ms.to_le_bytes());
        bytes.extend_from_slice(inner);
        sign(&self.messages, &mut bytes);
        bytes
    }

    /// A message, if its sender has one of the secrets.
    ///
    /// # Errors
    ///
    /// [`Unproven`]: why it is not accepted.
    pub fn open_message<'a>(&self, bytes: &'a [u8]) -> Result<Sealed<'a>, Unproven> {
        if !is_sealed(bytes) {
            return Err(Unproven::Unsigned);
        }
        parse(verified(&self.messages, bytes).ok_or(Unproven::Forged)?).ok_or(Unproven::Forged)
    }

    /// A record of version 1 with its proof.
    #[must_use]
    pub fn seal_record(&self, field: &Field<'_>, counter: u64, record: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(record.len() + COUNTER_BYTES + MAC_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(record.get(1..).unwrap_or_default());
        bytes.extend_from_slice(&counter.to_le_bytes());
        if let Some(key) = self.records.first() {
            let tag = hmac::sign(key, &field.context(&bytes));
            bytes.extend_from_slice(tag.as_ref());
        }
        bytes
    }

    /// The record of version 1 in a stored value, and its counter, if the value was written there by a node that has one of the
    /// secrets.
    ///
    /// # Errors
    ///
    /// [`Unproven`]: why it is not accepted.
    pub fn open_record(&self, field: &Field<'_>, value: &[u8]) -> Result<(Vec<u8>, u64), Unproven> {
        if value.first() != Some(&VERSION) {
            return Err(Unproven::Unsigned);
        }
        let (body, tag) = value.split_last_chunk::<MAC_BYTES>().ok_or(Unproven::Forged)?;
        let signed = field.context(body);
        if !self.records.iter().any(|key| hmac::verify(key, &signed, tag).is_ok()) {
            return Err(Unproven::Forged);
        }
        let (_, counter) = body.split_last_chunk::<COUNTER_BYTES>().ok_or(Unproven::Forged)?;
        let record = record_in(value).ok_or(Unproven::Forged)?;
        Ok((record, u64::from_le_bytes(*counter)))
    }
}

impl Keyring {
    /// The MAC of a document.
    #[must_use]
    pub fn sign_document(&self, fields: &DocumentFields<'_>) -> Vec<u8> {
        self.documents.first().map_or_else(Vec::new, |key| hmac::sign(key, &fields.context()).as_ref().to_vec())
    }

    /// Returns whether a node that has one of the secrets wrote the document.
    #[must_use]
    pub fn verify_document(&self, fields: &DocumentFields<'_>, mac: &[u8]) -> bool {
        let signed = fields.context();
        self.documents.iter().any(|key| hmac::verify(key, &signed, mac).is_ok())
    }
}

impl DocumentFields<'_> {
    /// The bytes that a document's MAC covers.
    fn context(&self) -> Vec<u8> {
        let numbers = [self.name.len() as u64, self.version, self.ttl_ms].map(u64::to_le_bytes);
        [&numbers.concat()[..], self.name.as_bytes(), self.text.as_bytes()].concat()
    }
}

impl Field<'_> {
    /// The bytes that a record's MAC covers.
    fn context(&self, body: &[u8]) -> Vec<u8> {
        let length = (self.name.len() as u64).to_le_bytes();
        [&self.node.0.to_le_bytes()[..], &[self.shard], &length, self.name, body].concat()
    }
}

/// The message of version 1 in a sealed one whose proof is not looked at; nothing where it is not sealed.
#[must_use]
pub fn message_in(bytes: &[u8]) -> Option<&[u8]> {
    let (signed, _) = bytes.split_last_chunk::<MAC_BYTES>()?;
    let sealed = is_sealed(bytes).then(|| parse(signed))??;
    // A message of an unknown version 2 is not one of these.
    sealed.inner.starts_with(&MAGIC).then_some(sealed.inner)
}

/// The record of version 1 in a sealed value whose proof is not looked at; nothing where it is not sealed.
#[must_use]
pub fn record_in(value: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = value.split_last_chunk::<MAC_BYTES>()?;
    let (body, _) = body.split_last_chunk::<COUNTER_BYTES>()?;
    let (version, rest) = body.split_first()?;
    (*version == VERSION).then(|| [&[1], rest].concat())
}

fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(2) == Some(&VERSION)
}

fn parse(signed: &[u8]) -> Option<Sealed<'_>> {
    let (header, inner) = signed.split_first_chunk::<HEADER_BYTES>()?;
    let u64_at = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    Some(Sealed { node: NodeId(u64_at(4)?), counter: u64_at(12)?, sent_unix_ms: u64_at(20)?, inner })
}

fn sign(keys: &[Key], bytes: &mut Vec<u8>) {
    if let Some(key) = keys.first() {
        let tag = hmac::sign(key, bytes);
        bytes.extend_from_slice(tag.as_ref());
    }
}

/// The signed bytes, if one of the keys has signed them.
fn verified<'a>(keys: &[Key], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (signed, tag) = bytes.split_last_chunk::<MAC_BYTES>()?;
    keys.iter().any(|key| hmac::verify(key, signed, tag).is_ok()).then_some(signed)
}
