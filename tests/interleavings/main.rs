//! The engine and the mailbox under a scheduler that switches threads wherever they meet: every lock and every atomic number.
//!
//! The sources are compiled here once more, with the locks of shuttle in place of `src/sync.rs`. A run plays thousands of
//! schedules of two or three threads, some at random and some with few switches at unlikely places; a schedule that fails is
//! printed, and `shuttle::replay` plays it again.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "a part of the crate is compiled, and less is used of it"
)]
#![allow(clippy::pedantic, reason = "the sources are linted as they are built")]

#[macro_use]
extern crate atrion;

mod engine_model;
mod mailbox_model;
mod sync;

#[path = "../../src/engine/mod.rs"]
mod engine;
#[path = "../../src/replication/mailbox.rs"]
mod mailbox;

use atrion::{clock, image, physics, simd, units};

mod report {
    pub use atrion::replication::{OutboundReport, RouteKey};
}

mod replication {
    pub use crate::mailbox::Mailbox;
    pub use atrion::replication::{NodeId, OutboundReport, Report, RouteKey};
}

/// Plays `model` under many schedules: at random, and with two switches at unlikely places.
fn explore(schedules: usize, model: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(model, schedules);
    shuttle::check_pct(model, schedules, 3);
}
