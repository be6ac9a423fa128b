//! What of the channel and the store is believed: with a secret what carries its proof, without one what a bounded number of
//! unknown nodes say.

use super::{
    agent::{Agent, unix_ms},
    link::Shared,
    record::Record,
    stats::count,
};
use crate::state::{
    Malformed, Message, RouteKey, decode,
    seal::{self, Field, Unproven},
};

impl Shared {
    /// A message of this node as it goes out.
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

    /// The record in a stored value; where there is none, or none that is believed, that is counted under its reason.
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

    /// So many messages or records are not believed.
    pub fn count_unproven(&self, unproven: Unproven, by: usize) {
        let counter = match unproven {
            Unproven::Unsigned => &self.counters.dropped_unsigned,
            Unproven::Forged => &self.counters.dropped_forged,
        };
        count(counter, by);
    }
}

impl Agent {
    /// The message in these bytes, if it is one and is believed; else it is counted under its reason.
    pub fn admit(&mut self, bytes: &[u8]) -> Option<Message> {
        let shared = self.shared.clone();
        let counters = &shared.counters;
        let opened = match &shared.keyring {
            Some(keyring) => match keyring.open_message(bytes) {
                Ok(sealed) => Some(sealed),
                Err(unproven) => {
                    match decode(bytes) {
                        Ok(_) => shared.count_unproven(Unproven::Unsigned, 1),
                        Err(_) if unproven == Unproven::Forged => shared.count_unproven(unproven, 1),
                        Err(malformed) => count_malformed(&shared, malformed),
                    }
                    return None;
                }
            },
            None => None,
        };
        let inner = opened.map_or_else(|| seal::message_in(bytes).unwrap_or(bytes), |sealed| sealed.inner);
        let message = match decode(inner) {
            Ok(message) => message,
            Err(malformed) => {
                count_malformed(&shared, malformed);
                return None;
            }
        };
        let now_ms = self.now_ms();
        match opened {
            Some(sealed) if sealed.node != message.node => {
                shared.count_unproven(Unproven::Forged, 1);
                None
            }
            Some(sealed)
                if !self.messages.accept(sealed.node, sealed.counter, sealed.sent_unix_ms, unix_ms(), now_ms) =>
            {
                count(&counters.dropped_replayed, 1);
                None
            }
            None if message.node != self.node
                && !self.nodes.contains_key(&message.node)
                && !self.newcomers.admit(now_ms) =>
            {
                self.strangers += 1;
                None
            }
            _ => Some(message),
        }
    }
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
