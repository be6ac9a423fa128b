//! Reports between nodes: how much they count, their bytes and their proofs.

mod codec;
mod mailbox;
mod nodes;
mod one_peer;
mod peer_table;
mod peer_table_rules;
mod peers;
mod seal;
mod transfer;
