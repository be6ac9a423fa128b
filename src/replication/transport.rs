//! The seam between replication and a store: the engine knows no other part of one.

use std::sync::Arc;

use super::{Mailbox, Report};
use crate::units::Millis;

/// A route's name, in generalised UTF-8.
pub type RouteName = Arc<[u8]>;

/// The reports that were stored when a transport first connected: by route, those of every other node, and their ages, ms.
pub type Loaded = Vec<(RouteName, Vec<(Report, Millis)>)>;

/// Carries reports between this node, its peers and their store, on threads of its own.
///
/// The deciding thread never waits for one: it leaves its reports in the mailbox, and takes from it what came.
///
/// ```
/// use std::sync::Arc;
///
/// use atrion::{
///     engine::{Handle, Limits},
///     replication::{Loaded, Mailbox, Report, Transport},
/// };
///
/// /// A store of a single record.
/// struct Shelf(Arc<Mailbox>);
///
/// impl Transport for Shelf {
///     fn mailbox(&self) -> &Arc<Mailbox> {
///         &self.0
///     }
///
///     fn take_loaded(&self) -> Option<Loaded> {
///         let report = Report { scar: 12.0, ticks: 50, ..Report::default() };
///         Some(vec![(b"GET /orders".as_slice().into(), vec![(report, 0.0)])])
///     }
/// }
///
/// let (mut handle, shelf) = (Handle::alone(Limits::of_routes(10)), Shelf(Arc::new(Mailbox::new(10))));
/// for (name, reports) in shelf.take_loaded().expect("it is loaded") {
///     assert!(handle.inherit_reports(shelf.mailbox(), &name, &reports, 0.3, 0.0));
/// }
/// let slot = handle.find(&"GET /orders".into()).expect("it was inherited");
/// assert_eq!(handle.state(slot).map(|state| state.scar), Some(12.0));
/// ```
pub trait Transport: Send + Sync {
    /// The mailbox through which the deciding thread reports.
    fn mailbox(&self) -> &Arc<Mailbox>;

    /// Takes the reports that the other nodes had stored when it first connected; once.
    fn take_loaded(&self) -> Option<Loaded>;
}
