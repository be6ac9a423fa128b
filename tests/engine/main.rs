//! The engine: routes, permits, keys, names, and the threads that share them.

#[path = "../common/mod.rs"]
mod common;

mod abandoned_params;
mod classes;
mod closed_limiter;
mod closed_loop;
mod closed_wait;
mod keys;
mod lanes;
mod names;
mod requests;
mod shards;
mod table;
mod threads;
