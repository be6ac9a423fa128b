//! The stored record of a route: one hash for every node and shard, a field for every route.
//!
//! ```text
//! key    <prefix><node, 16 hex>:<shard, 2 hex>
//! field  the route's name, generalised UTF-8
//! value  version 1 · S f64 · R f64 · M f64 · ticks f64 · requests f32 · written at f64 (Unix ms)      45 bytes, LE
//! ```
//!
//! Each node writes only its own hashes, so no node can overwrite another's, and a whole hash expires when its node is
//! gone. Sixty-four shards, because a single hash would sit in a single slot of a cluster, and because an expiry holds
//! for a whole key.

use std::{collections::HashMap, sync::Arc};

use crate::{
    replication::report::{NodeId, Report, RouteKey},
    units::{Millis, Ohms, PerMillis},
};

/// Hashes a node writes.
pub const SHARDS: u8 = 64;

/// Stands for whatever nodes of atrion 2.0 wrote, all into the same keys.
pub const LEGACY: NodeId = NodeId(u64::MAX);

const VERSION: u8 = 1;
/// Bytes of a value.
pub const RECORD_BYTES: usize = 45;

/// The records of all routes, by name, each of several nodes.
pub type Records = HashMap<Arc<[u8]>, Vec<(NodeId, Record)>>;

/// The age of a record, ms, in [0, `expire_ms`] whatever the clocks say.
#[must_use]
pub fn age_ms(record: &Record, unix_ms: Millis, expire_ms: Millis) -> Millis {
    (unix_ms - record.at_unix_ms).clamp(0.0, expire_ms)
}

/// A node's own state of a route, exactly.
///
/// ```
/// use atrion::replication::{Report, redis::Record};
///
/// let record = Record::of(&Report { scar: 12.5, ..Report::default() }, 1_700_000_000_000.0);
/// assert_eq!(Record::decode(&record.encode()), Some(record));
/// assert_eq!(Record::decode(b"something else"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Record {
    /// S, Ω, ≥ 0.
    pub scar: Ohms,
    /// R, Ω, ≥ 0.
    pub resistance: Ohms,
    /// M, 1/ms, ≥ 0.
    pub momentum: PerMillis,
    /// Ticks so far.
    pub ticks: f64,
    /// Requests seen lately.
    pub requests: f32,
    /// The time of the report, Unix ms.
    pub at_unix_ms: Millis,
}

impl Record {
    /// A word as it is stored.
    #[must_use]
    pub fn of(report: &Report, at_unix_ms: Millis) -> Self {
        Self {
            scar: report.scar,
            resistance: report.resistance,
            momentum: report.momentum,
            ticks: f64::from(report.ticks),
            requests: report.requests as f32,
            at_unix_ms,
        }
    }

    /// The word that was stored.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            scar: self.scar,
            resistance: self.resistance,
            momentum: self.momentum,
            // Saturating.
            ticks: self.ticks as u32,
            requests: f64::from(self.requests),
        }
    }

    /// The record that atrion 2.0 stored of a route: JSON, an object of four numbers. None where it is anything else.
    #[must_use]
    pub fn of_legacy(json: &[u8], at_unix_ms: Millis) -> Option<Self> {
        let fields = std::str::from_utf8(json).ok()?.trim().strip_prefix('{')?.strip_suffix('}')?;
        let mut record = Self { at_unix_ms, ..Self::default() };
        let mut known = 0;
        for field in fields.split(',') {
            let (name, value) = field.split_once(':')?;
            let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)?;
            let cell = match name.trim() {
                "\"scar\"" => &mut record.scar,
                "\"resistance\"" => &mut record.resistance,
                "\"momentumScalar\"" => &mut record.momentum,
                "\"lastTick\"" => &mut record.ticks,
                _ => return None,
            };
            *cell = value;
            known += 1;
        }
        (known == 4).then_some(record)
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [VERSION; RECORD_BYTES];
        bytes[1..9].copy_from_slice(&self.scar.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.resistance.to_le_bytes());
        bytes[17..25].copy_from_slice(&self.momentum.to_le_bytes());
        bytes[25..33].copy_from_slice(&self.ticks.to_le_bytes());
        bytes[33..37].copy_from_slice(&self.requests.to_le_bytes());
        bytes[37..45].copy_from_slice(&self.at_unix_ms.to_le_bytes());
        bytes
    }

    /// From bytes; nothing where they are not what a node writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_BYTES] = bytes.try_into().ok()?;
        let f64_at = |at: usize| bytes[at..].first_chunk().map(|chunk| f64::from_le_bytes(*chunk));
        let record = Self {
            scar: f64_at(1)?,
            resistance: f64_at(9)?,
            momentum: f64_at(17)?,
            ticks: f64_at(25)?,
            requests: f32::from_le_bytes(*bytes[33..].first_chunk()?),
            at_unix_ms: f64_at(37)?,
        };
        let Self { scar, resistance, momentum, ticks, requests, at_unix_ms } = record;
        let sound = [scar, resistance, momentum, ticks, f64::from(requests), at_unix_ms]
            .iter()
            .all(|value| value.is_finite() && *value >= 0.0);
        (bytes[0] == VERSION && sound).then_some(record)
    }
}

/// In which of its node's hashes a route is.
#[must_use]
pub fn shard_of(key: RouteKey) -> u8 {
    // The highest bits; tables use the lowest.
    (key.0 >> 58) as u8
}

/// The key of a node's hash.
#[must_use]
pub fn hash_key(prefix: &str, node: NodeId, shard: u8) -> String {
    format!("{prefix}{:016x}:{shard:02x}", node.0)
}

/// The node and the shard of this hash; none where the key is not one of Atrion's.
#[must_use]
pub fn parse_hash_key(prefix: &str, key: &[u8]) -> Option<(NodeId, u8)> {
    let rest = std::str::from_utf8(key.strip_prefix(prefix.as_bytes())?).ok()?;
    let (node, shard) = rest.split_once(':')?;
    // The standard library's reading of a number takes a sign as well.
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if node.len() != 16 || shard.len() != 2 || !is_hex(node) || !is_hex(shard) {
        return None;
    }
    let shard = u8::from_str_radix(shard, 16).ok().filter(|shard| *shard < SHARDS)?;
    Some((NodeId(u64::from_str_radix(node, 16).ok()?), shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_store_exactly() {
        let record = Record {
            scar: 12.345_678_901_234,
            resistance: f64::MAX,
            momentum: 1e-300,
            ticks: 2_f64.powi(53),
            requests: 3.5,
            at_unix_ms: 1.8e12,
        };
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }

    #[test]
    fn a_record_that_no_node_writes_is_rejected() {
        let bytes = Record::default().encode();
        let with = |at: usize, value: &[u8]| {
            let mut bytes = bytes;
            bytes[at..at + value.len()].copy_from_slice(value);
            Record::decode(&bytes)
        };
        assert_eq!(with(0, &[2]), None, "a later version");
        assert_eq!(with(1, &f64::NAN.to_le_bytes()), None);
        assert_eq!(with(9, &(-1.0_f64).to_le_bytes()), None);
        assert_eq!(with(33, &f32::INFINITY.to_le_bytes()), None);
        assert_eq!(Record::decode(&bytes[1..]), None);
        assert_eq!(Record::decode(&[]), None);
    }

    #[test]
    fn records_of_atrion_2_0_are_read_and_nothing_else() {
        let record =
            Record { scar: 41.5, resistance: 52.0, momentum: 1e-3, ticks: 99.0, requests: 0.0, at_unix_ms: 7.0 };
        let json = br#"{"scar":41.5,"momentumScalar":1e-3,"lastTick":99,"resistance":52}"#;
        assert_eq!(Record::of_legacy(json, 7.0), Some(record));
        for other in [
            "",
            "{}",
            "null",
            "[1,2,3,4]",
            r#"{"scar":41.5}"#,
            r#"{"scar":NaN,"momentumScalar":0,"lastTick":0,"resistance":0}"#,
            r#"{"scar":inf,"momentumScalar":0,"lastTick":0,"resistance":0}"#,
            r#"{"scar":-1,"momentumScalar":0,"lastTick":0,"resistance":0}"#,
            r#"{"scar":"1","momentumScalar":0,"lastTick":0,"resistance":0}"#,
            r#"{"scar":null,"momentumScalar":0,"lastTick":0,"resistance":0}"#,
            r#"{"scar":1,"momentumScalar":0,"lastTick":0,"resistance":0"#,
            r#"{"scar":1,"momentumScalar":0,"lastTick":0,"resistance":0,"more":1}"#,
        ] {
            assert_eq!(Record::of_legacy(other.as_bytes(), 7.0), None, "{other}");
        }
        assert_eq!(Record::of_legacy(&[0xff, 0xfe], 7.0), None);
    }

    #[test]
    fn a_key_names_its_node_and_shard() {
        let key = hash_key("p:", NodeId(0xabc), 63);
        assert_eq!(key, "p:0000000000000abc:3f");
        assert_eq!(parse_hash_key("p:", key.as_bytes()), Some((NodeId(0xabc), 63)));
        for foreign in
            ["p:", "p:xyz:00", "p:0000000000000abc:40", "q:0000000000000abc:00", "p:+000000000000abc:00", "p:\u{e9}"]
        {
            assert_eq!(parse_hash_key("p:", foreign.as_bytes()), None, "{foreign}");
        }
    }
}
