//! Verification of the channel and the store: with a secret, messages and records need a valid MAC.

use super::{
    record::Record,
    shared::{Shared, unix_ms},
    stats::count,
};
use crate::replication::{
    Malformed, Message, NodeId, RouteKey, decode, notice,
    seal::{self, Field, Unproven},
};

impl Shared {
    /// A message of this node as it is published.
    pub fn seal(&self, message: Vec<u8>) -> Vec<u8> {
        match &self.keyring {
            Some(keyring) => keyring.seal_message(self.node, self.next_counter(), unix_ms() as u64, &message),
            None => message,
        }
    }

    /// A record of this node as it is stored in that field.
    pub fn encode_record(&self, field: &Field<'_>, record: &Record) -> Vec<u8> {
        let bytes = record.encode();
        match &self.keyring {
            Some(keyring) => keyring.seal_record(field, self.next_counter(), &bytes),
            None => bytes.to_vec(),
        }
    }

    /// The record in a stored value; None, counted under its reason, where there is none or it is not verified.
    pub fn decode_record(&self, field: &Field<'_>, value: &[u8]) -> Option<Record> {
        let malformed = || count(&self.counters.dropped_records, 1);
        let Some(keyring) = &self.keyring else {
            let inner = seal::record_in(value);
            let record = Record::decode(inner.as_deref().unwrap_or(value));
            return record.or_else(|| {
                malformed();
                None
            });
        };
        let (inner, counter) = match keyring.open_record(field, value) {
            Ok(opened) => opened,
            Err(unproven) => {
                match unproven {
                    Unproven::Unsigned if Record::decode(value).is_none() => malformed(),
                    unproven => self.count_unproven(unproven, 1),
                }
                return None;
            }
        };
        let Some(record) = Record::decode(&inner) else {
            malformed();
            return None;
        };
        let (place, now_unix_ms) = ((field.node, RouteKey::of(field.name)), unix_ms());
        if !self.records.lock().accept(place, counter, record.at_unix_ms, now_unix_ms, self.expire_ms) {
            count(&self.counters.dropped_replayed, 1);
            return None;
        }
        Some(record)
    }

    /// Counts messages or records that were not verified.
    pub fn count_unproven(&self, unproven: Unproven, by: usize) {
        let counter = match unproven {
            Unproven::Unsigned => &self.counters.dropped_unsigned,
            Unproven::Forged => &self.counters.dropped_forged,
        };
        count(counter, by);
    }
}

/// The content of a message.
pub(super) enum Content {
    /// Reports on routes.
    Reports(Message),
    /// A node wrote the document of that name.
    Written(NodeId, String),
}

impl Content {
    /// The sender.
    pub fn node(&self) -> NodeId {
        match self {
            Self::Reports(message) => message.node,
            Self::Written(node, _) => *node,
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Content, Malformed> {
    match notice::decode(bytes) {
        Some(written) => written.map(|(node, name)| Content::Written(node, name.into())),
        None => decode(bytes).map(Content::Reports),
    }
}

/// The message in these bytes, with its counter and time if it is sealed; else it is counted under its reason.
pub(super) fn open_message(shared: &Shared, bytes: &[u8]) -> Option<(Content, Option<(u64, u64)>)> {
    let opened = match &shared.keyring {
        Some(keyring) => match keyring.open_message(bytes) {
            Ok(sealed) => Some(sealed),
            Err(unproven) => {
                match parse(bytes) {
                    Ok(_) => shared.count_unproven(Unproven::Unsigned, 1),
                    Err(_) if unproven == Unproven::Forged => shared.count_unproven(unproven, 1),
                    Err(malformed) => count_malformed(shared, malformed),
                }
                return None;
            }
        },
        None => None,
    };
    let inner = opened.map_or_else(|| seal::message_in(bytes).unwrap_or(bytes), |sealed| sealed.inner);
    let content = match parse(inner) {
        Ok(content) => content,
        Err(malformed) => {
            count_malformed(shared, malformed);
            return None;
        }
    };
    if opened.is_some_and(|sealed| sealed.node != content.node()) {
        shared.count_unproven(Unproven::Forged, 1);
        return None;
    }
    Some((content, opened.map(|sealed| (sealed.counter, sealed.sent_unix_ms))))
}

fn count_malformed(shared: &Shared, malformed: Malformed) {
    let counters = &shared.counters;
    let counter = match malformed {
        Malformed::Future(_) => &counters.dropped_future,
        Malformed::TooLong(_) => &counters.dropped_oversized,
        _ => &counters.dropped_malformed,
    };
    count(counter, 1);
}
