//! The contents of a mailbox as bytes: how they cross from the addon that has the engine to the one that has a store, and back.
//!
//! ```text
//! outgoing   λ f64 · dropped u64 · requested u32 · reports u32 · requested keys · reports
//! report     key u64 · S, R, M f64 · ticks u32 · requests f64 · name u32 and its bytes
//! received   routes u32 · of each: key u64 · peers, witnesses u32 · eight f64 of its aggregate
//! loaded     routes u32 · of each: name u32 and its bytes · reports u32 · of each: a report without key and name · age, ms, f64
//! ```
//!
//! All little-endian. Both addons are of one version and in one process: there is no version in it, and what cannot be read is an error of
//! the caller. Rejected: to share the mailbox itself, whose layout in memory no compiler promises to another one's library.

use super::{Loaded, OutboundReport, Outbox, Report, RouteKey, RouteName};
use crate::{physics::peers::PeerAggregate, units::PerMillis};

/// The reports of the deciding thread for the store.
#[derive(Debug, PartialEq)]
pub struct Outgoing {
    /// λ of the deciding thread's default parameters, 1/ms.
    pub decay_per_ms: PerMillis,
    /// Routes that were left out of `outbox` because there were too many.
    pub dropped: u64,
    /// The reports, and the routes of which the peers' reports are to be delivered.
    pub outbox: Outbox,
}

/// The aggregates of the peers' reports, in the order in which they changed.
pub type Received = Vec<(RouteKey, PeerAggregate)>;

/// The fewest bytes of a route that was loaded: two counts.
const LEAST_LOADED: usize = 8;
/// The fewest of a report with its key and an empty name.
const LEAST_OUTBOUND: usize = 48;
/// Of a report with its age.
const AGED_BYTES: usize = 44;
const KEY_BYTES: usize = 8;
const RECEIVED_BYTES: usize = 80;

impl Outgoing {
    /// As bytes.
    ///
    /// ```
    /// use atrion::replication::{Outbox, transfer::Outgoing};
    ///
    /// let outgoing = Outgoing { decay_per_ms: 0.001, dropped: 3, outbox: Outbox::default() };
    /// assert_eq!(Outgoing::decode(&outgoing.encode()), Some(outgoing));
    /// ```
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Outbox { reports, requested } = &self.outbox;
        let names: usize = reports.iter().map(|report| report.name.len()).sum();
        let mut bytes = Vec::with_capacity(24 + requested.len() * KEY_BYTES + reports.len() * LEAST_OUTBOUND + names);
        put(&mut bytes, self.decay_per_ms.to_le_bytes());
        put(&mut bytes, self.dropped.to_le_bytes());
        put_len(&mut bytes, requested.len());
        put_len(&mut bytes, reports.len());
        for key in requested {
            put(&mut bytes, key.0.to_le_bytes());
        }
        for OutboundReport { key, name, report } in reports {
            put(&mut bytes, key.0.to_le_bytes());
            put_report(&mut bytes, report);
            put_name(&mut bytes, name);
        }
        bytes
    }

    /// From bytes that [`Outgoing::encode`] wrote; None where they are others.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (decay_per_ms, dropped) = (reader.f64()?, reader.u64()?);
        let (keys, count) = (reader.u32()?, reader.u32()?);
        let requested = reader.list(keys, KEY_BYTES, |reader| Some(RouteKey(reader.u64()?)))?;
        let reports = reader.list(count, LEAST_OUTBOUND, |reader| {
            let (key, report) = (RouteKey(reader.u64()?), reader.report()?);
            Some(OutboundReport { key, name: reader.name()?, report })
        })?;
        reader.end(Self { decay_per_ms, dropped, outbox: Outbox { reports, requested } })
    }
}

/// The peers' aggregates as bytes.
///
/// ```
/// use atrion::{
///     physics::peers::PeerAggregate,
///     replication::{RouteKey, transfer},
/// };
///
/// let received = vec![(RouteKey(7), PeerAggregate { peers: 2, weight: 12.5, ..PeerAggregate::default() })];
/// assert_eq!(transfer::decode_received(&transfer::encode_received(&received)), Some(received));
/// ```
#[must_use]
pub fn encode_received(received: &[(RouteKey, PeerAggregate)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + received.len() * RECEIVED_BYTES);
    put_len(&mut bytes, received.len());
    for (key, aggregate) in received {
        put(&mut bytes, key.0.to_le_bytes());
        put(&mut bytes, aggregate.peers.to_le_bytes());
        put(&mut bytes, aggregate.witnesses.to_le_bytes());
        let PeerAggregate {
            weight, weighted_scar, top, top_weight, second, bottom, bottom_weight, second_lowest, ..
        } = *aggregate;
        for value in [weight, weighted_scar, top, top_weight, second, bottom, bottom_weight, second_lowest] {
            put(&mut bytes, value.to_le_bytes());
        }
    }
    bytes
}

/// From bytes that [`encode_received`] wrote; None where they are others.
#[must_use]
pub fn decode_received(bytes: &[u8]) -> Option<Received> {
    let mut reader = Reader(bytes);
    let count = reader.u32()?;
    let received = reader.list(count, RECEIVED_BYTES, |reader| {
        let key = RouteKey(reader.u64()?);
        let aggregate = PeerAggregate {
            peers: reader.u32()?,
            witnesses: reader.u32()?,
            weight: reader.f64()?,
            weighted_scar: reader.f64()?,
            top: reader.f64()?,
            top_weight: reader.f64()?,
            second: reader.f64()?,
            bottom: reader.f64()?,
            bottom_weight: reader.f64()?,
            second_lowest: reader.f64()?,
        };
        Some((key, aggregate))
    })?;
    reader.end(received)
}

/// The reports that were loaded from the store as bytes.
///
/// ```
/// use atrion::replication::{Report, transfer};
///
/// let loaded = vec![(b"GET /orders".as_slice().into(), vec![(Report { scar: 12.0, ..Report::default() }, 250.0)])];
/// assert_eq!(transfer::decode_loaded(&transfer::encode_loaded(&loaded)), Some(loaded));
/// ```
#[must_use]
pub fn encode_loaded(loaded: &Loaded) -> Vec<u8> {
    let sizes = loaded.iter().map(|(name, reports)| LEAST_LOADED + name.len() + reports.len() * AGED_BYTES);
    let mut bytes = Vec::with_capacity(4 + sizes.sum::<usize>());
    put_len(&mut bytes, loaded.len());
    for (name, reports) in loaded {
        put_name(&mut bytes, name);
        put_len(&mut bytes, reports.len());
        for (report, age_ms) in reports {
            put_report(&mut bytes, report);
            put(&mut bytes, age_ms.to_le_bytes());
        }
    }
    bytes
}

/// From bytes that [`encode_loaded`] wrote; None where they are others.
#[must_use]
pub fn decode_loaded(bytes: &[u8]) -> Option<Loaded> {
    let mut reader = Reader(bytes);
    let count = reader.u32()?;
    let loaded = reader.list(count, LEAST_LOADED, |reader| {
        let name = reader.name()?;
        let count = reader.u32()?;
        Some((name, reader.list(count, AGED_BYTES, |reader| Some((reader.report()?, reader.f64()?)))?))
    })?;
    reader.end(loaded)
}

fn put<const N: usize>(bytes: &mut Vec<u8>, value: [u8; N]) {
    bytes.extend_from_slice(&value);
}

/// Tables hold at most 2²⁴ routes, and names are shorter still.
fn put_len(bytes: &mut Vec<u8>, len: usize) {
    put(bytes, (len as u32).to_le_bytes());
}

fn put_name(bytes: &mut Vec<u8>, name: &RouteName) {
    put_len(bytes, name.len());
    bytes.extend_from_slice(name);
}

fn put_report(bytes: &mut Vec<u8>, report: &Report) {
    for value in [report.scar, report.resistance, report.momentum] {
        put(bytes, value.to_le_bytes());
    }
    put(bytes, report.ticks.to_le_bytes());
    put(bytes, report.requests.to_le_bytes());
}

/// The bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    fn name(&mut self) -> Option<RouteName> {
        let len = self.u32()?;
        self.take(len as usize).map(Into::into)
    }

    fn report(&mut self) -> Option<Report> {
        Some(Report {
            scar: self.f64()?,
            resistance: self.f64()?,
            momentum: self.f64()?,
            ticks: self.u32()?,
            requests: self.f64()?,
        })
    }

    /// `count` items of at least `least` bytes each; None before anything is allocated for more than there can be.
    fn list<T>(&mut self, count: u32, least: usize, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = count as usize;
        if count > self.0.len() / least {
            return None;
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }

    /// `value`, where nothing is left to be read.
    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
