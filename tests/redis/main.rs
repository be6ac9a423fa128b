//! The client of Redis, on real servers.

mod client;
mod faults;
mod kinds;
mod servers;
