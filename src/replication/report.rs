//! The report of a route by a node.

use std::sync::Arc;

use crate::units::{Ohms, PerMillis};

/// A node of the cluster, drawn at random when it starts.
///
/// With a zone, the upper 16 bits are a hash of the zone's name, so that no message needs a place for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// Bits of a node's id that its zone leaves.
const ZONE_SHIFT: u32 = 48;

impl NodeId {
    /// The id of a node in the zone of that name, drawn by `random`.
    ///
    /// ```
    /// use atrion::replication::NodeId;
    ///
    /// let (one, two, far) = (NodeId::in_zone("eu-1", 1), NodeId::in_zone("eu-1", 2), NodeId::in_zone("us-1", 3));
    /// assert!(one != two && one.zone() == two.zone() && one.zone() != far.zone());
    /// ```
    #[must_use]
    pub fn in_zone(zone: &str, random: u64) -> Self {
        let low = (1 << ZONE_SHIFT) - 1;
        Self(RouteKey::of(zone.as_bytes()).0 & !low | random & low)
    }

    /// The hash of its zone; of a node without one, any.
    #[must_use]
    pub fn zone(self) -> u16 {
        (self.0 >> ZONE_SHIFT) as u16
    }
}

/// A route by a hash of its name: nodes that know the route know the name, and the others have no use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey(pub u64);

/// A node's report of a route that it measured.
///
/// ```
/// use atrion::replication::Report;
///
/// let report = Report { scar: 12.5, requests: 40.0, ..Report::default() };
/// assert_eq!((report.scar, report.ticks), (12.5, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// S, Ω, ≥ 0: by the node's own measurements, without its peers' part.
    pub scar: Ohms,
    /// R, Ω.
    pub resistance: Ohms,
    /// M, 1/ms; kept in the store, not sent to the others.
    pub momentum: PerMillis,
    /// Ticks of the route on that node: the later report has more.
    pub ticks: u32,
    /// The route's recent requests: the weight of the report.
    pub requests: f64,
}

/// A report to be published, with the route's name in generalised UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundReport {
    /// The route.
    pub key: RouteKey,
    /// The route's name, for the store.
    pub name: Arc<[u8]>,
    /// The report.
    pub report: Report,
}
