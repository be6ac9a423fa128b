//! Reports between nodes: how much they count, their bytes and their proofs.

mod codec;
mod mailbox;
mod nodes;
mod one_peer;
mod peer_reports;
mod peer_table;
mod peer_table_rules;
mod peer_table_times;
mod peers;
mod seal;
mod transfer;
