//! The message by which a node reports its routes to its peers.
//!
//! ```text
//! header   "At" · version 1 · flags · node u64 · reports u32 · forgotten u32                    20 bytes
//! report   key u64 · S f32 · R f32 · ticks LEB128, 1–5 bytes · requests 1 byte                   18–22 bytes
//! forgotten  key u64                                                                              8 bytes
//! ```
//!
//! All little-endian. What is forgotten comes before the reports: a route that was reset and then used again is
//! reported anew. A message without reports is a heartbeat. Momentum is not sent: it is not blended. The one flag is a greeting:
//! the sender has subscribed just now, and has not received earlier messages.
//!
//! A request count is only a weight, so its byte holds ω = 1 + requests on a scale of eight steps an octave: an error
//! of at most 4.5 % up to four billion, and exactly 0 for 0.
//!
//! A message is taken whole or not at all. One bad record means that its sender does not follow the format, so nothing
//! in the message is used.

use std::{fmt, iter};

use super::report::{NodeId, Report, RouteKey};
use crate::units::{MAX_RESISTANCE, Ohms};

/// The longest message that is read, bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The most reports and forgotten routes of one message together: messages stay below 1 MiB.
pub const MAX_RECORDS: usize = 47_000;

const MAGIC: [u8; 2] = *b"At";
const VERSION: u8 = 1;
/// The place of the flags, and the only one.
const FLAGS: usize = 3;
const GREETS: u8 = 1;
const HEADER_BYTES: usize = 20;
const MIN_REPORT_BYTES: usize = 18;
const MAX_REPORT_BYTES: usize = 22;
const KEY_BYTES: usize = 8;

/// Steps an octave of the scale of requests.
const STEPS: f64 = 8.0;

/// A message of one node to its peers.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The sender.
    pub node: NodeId,
    /// The message's reports; the momentum of one that came over the wire is 0.
    pub reports: Vec<(RouteKey, Report)>,
    /// Routes that the sender has reset, before it made `reports`.
    pub forgotten: Vec<RouteKey>,
    /// True when the sender has subscribed just now: its peers publish again what still matters.
    pub greets: bool,
}

/// The reason for which a message is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than [`MAX_BYTES`].
    TooLong(usize),
    /// The message is not Atrion's.
    Foreign,
    /// By a version that does not exist yet.
    Future(u8),
    /// The message ends before it should.
    Truncated,
    /// The message goes on after its end.
    Trailing,
    /// A number that no node sends: not finite, negative, out of range or not encoded the shortest way.
    BadNumber,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "message of {bytes} bytes, of which {MAX_BYTES} are allowed"),
            Self::Foreign => f.write_str("not a message of Atrion's"),
            Self::Future(version) => write!(f, "message of version {version}, of which {VERSION} is known"),
            Self::Truncated => f.write_str("message ends too early"),
            Self::Trailing => f.write_str("message goes on after its end"),
            Self::BadNumber => f.write_str("message with an impossible number"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The message in which `node` reports `reports` and forgets `forgotten`. Above [`MAX_RECORDS`] of both together, split:
/// longer messages than [`MAX_BYTES`] are not read.
///
/// S and R are bounded to [0, 10⁶] Ω, what is not a number is 0, and both lose what f32 does not hold.
///
/// ```
/// use atrion::replication::{NodeId, Report, RouteKey, decode, encode};
///
/// let report = Report { scar: 12.5, resistance: 22.5, requests: 40.0, ticks: 9, momentum: 0.0 };
/// let bytes = encode(NodeId(7), [(RouteKey(1), report)].into_iter(), &[RouteKey(2)]);
/// let message = decode(&bytes).expect("it was just encoded");
/// assert_eq!((message.node, message.reports.len()), (NodeId(7), 1));
/// assert_eq!(message.forgotten, [RouteKey(2)]);
/// ```
#[must_use]
pub fn encode(node: NodeId, reports: impl Iterator<Item = (RouteKey, Report)>, forgotten: &[RouteKey]) -> Vec<u8> {
    let mut bytes =
        Vec::with_capacity(HEADER_BYTES + KEY_BYTES * forgotten.len() + MAX_REPORT_BYTES * reports.size_hint().0);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, 0]);
    bytes.extend_from_slice(&node.0.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(forgotten.len() as u32).to_le_bytes());
    for key in forgotten {
        bytes.extend_from_slice(&key.0.to_le_bytes());
    }
    let mut count = 0_u32;
    for (key, report) in reports {
        bytes.extend_from_slice(&key.0.to_le_bytes());
        bytes.extend_from_slice(&ohms_to_wire(report.scar).to_le_bytes());
        bytes.extend_from_slice(&ohms_to_wire(report.resistance).to_le_bytes());
        write_varint(&mut bytes, report.ticks);
        bytes.push(requests_to_wire(report.requests));
        count += 1;
    }
    bytes[12..16].copy_from_slice(&count.to_le_bytes());
    bytes
}

/// The greeting of `node`: a message without reports, sent when it has subscribed.
///
/// ```
/// use atrion::replication::{NodeId, decode, greeting};
///
/// assert!(decode(&greeting(NodeId(7))).expect("it was just encoded").greets);
/// ```
#[must_use]
pub fn greeting(node: NodeId) -> Vec<u8> {
    let mut bytes = encode(node, iter::empty(), &[]);
    bytes[FLAGS] = GREETS;
    bytes
}

/// Decodes a message. Never panics and never allocates more than a small multiple of the message's own length.
///
/// # Errors
///
/// [`Malformed`]: why it is dropped. S and R above 10⁶ Ω are bounded instead.
///
/// ```
/// use atrion::replication::decode;
///
/// assert!(decode(b"not a message").is_err());
/// ```
pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
    if bytes.len() > MAX_BYTES {
        return Err(Malformed::TooLong(bytes.len()));
    }
    let mut reader = Reader(bytes);
    if reader.take::<2>().map_err(|_| Malformed::Foreign)? != MAGIC {
        return Err(Malformed::Foreign);
    }
    // The version first: of a later one nothing else is known.
    let [version] = reader.take()?;
    match version {
        VERSION => {}
        0 => return Err(Malformed::Foreign),
        later => return Err(Malformed::Future(later)),
    }
    let [flags] = reader.take()?;
    if flags > GREETS {
        return Err(Malformed::BadNumber);
    }
    let node = NodeId(reader.u64()?);
    let reports = u32::from_le_bytes(reader.take()?) as usize;
    let forgotten = u32::from_le_bytes(reader.take()?) as usize;
    // Counts are believed only as far as there are bytes for them.
    let least = reports.saturating_mul(MIN_REPORT_BYTES).saturating_add(forgotten.saturating_mul(KEY_BYTES));
    if least > reader.0.len() {
        return Err(Malformed::Truncated);
    }
    let mut message = Message {
        node,
        reports: Vec::with_capacity(reports),
        forgotten: Vec::with_capacity(forgotten),
        greets: flags == GREETS,
    };
    for _ in 0..forgotten {
        message.forgotten.push(RouteKey(reader.u64()?));
    }
    for _ in 0..reports {
        message.reports.push(reader.report()?);
    }
    if reader.0.is_empty() { Ok(message) } else { Err(Malformed::Trailing) }
}

fn ohms_to_wire(ohms: Ohms) -> f32 {
    // The comparison is false for what is not a number.
    if ohms > 0.0 { ohms.min(MAX_RESISTANCE) as f32 } else { 0.0 }
}

fn ohms_from_wire(ohms: f32) -> Result<Ohms, Malformed> {
    if ohms.is_finite() && ohms >= 0.0 {
        // Adding 0 makes 0 of −0.
        Ok((f64::from(ohms) + 0.0).min(MAX_RESISTANCE))
    } else {
        Err(Malformed::BadNumber)
    }
}

fn requests_to_wire(requests: f64) -> u8 {
    // Saturating, and 0 for what is not a number.
    if requests > 0.0 { (STEPS * (1.0 + requests).log2()).round().max(1.0) as u8 } else { 0 }
}

fn requests_from_wire(byte: u8) -> f64 {
    (f64::from(byte) / STEPS).exp2() - 1.0
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The rest of a message.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn report(&mut self) -> Result<(RouteKey, Report), Malformed> {
        let key = RouteKey(self.u64()?);
        let scar = ohms_from_wire(f32::from_le_bytes(self.take()?))?;
        let resistance = ohms_from_wire(f32::from_le_bytes(self.take()?))?;
        let ticks = self.varint()?;
        let [requests] = self.take()?;
        Ok((key, Report { scar, resistance, momentum: 0.0, ticks, requests: requests_from_wire(requests) }))
    }

    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in (0..32).step_by(7) {
            let [byte] = self.take()?;
            let bits = u32::from(byte & 0x7f);
            // The fifth byte has room for four bits, and no number ends in a byte of nothing.
            if bits << shift >> shift != bits || (byte == 0 && shift > 0) {
                return Err(Malformed::BadNumber);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::BadNumber)
    }
}
