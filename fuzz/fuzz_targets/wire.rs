//! A message of another node: whatever it is, it is taken or refused; what was taken is encoded again as the same bytes.
#![no_main]

use atrion_fuzz::replication::{NodeId, codec, decode, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = decode(bytes) else { return };
    assert!(message.reports.len() + message.forgotten.len() <= codec::MAX_BYTES / 8);
    for (_, report) in &message.reports {
        assert!(report.scar >= 0.0 && report.scar <= 1e6 && report.resistance >= 0.0 && report.resistance <= 1e6);
        assert!(report.requests >= 0.0 && report.requests.is_finite());
    }
    let again = encode(message.node, message.reports.iter().copied(), &message.forgotten);
    let told = decode(&again).expect("what was encoded is decoded");
    assert_eq!(told.node, NodeId(message.node.0));
    assert_eq!(told.forgotten, message.forgotten);
    assert_eq!(told.reports, message.reports);
});
