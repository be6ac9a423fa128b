//! A message of another node: whatever it is, it is taken or refused; what was taken is said again in the same words.
#![no_main]

use atrion_fuzz::state::{NodeId, decode, encode, wire};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = decode(bytes) else { return };
    assert!(message.words.len() + message.forgotten.len() <= wire::MAX_BYTES / 8);
    for (_, word) in &message.words {
        assert!(word.scar >= 0.0 && word.scar <= 1e6 && word.resistance >= 0.0 && word.resistance <= 1e6);
        assert!(word.requests >= 0.0 && word.requests.is_finite());
    }
    let again = encode(message.node, message.words.iter().copied(), &message.forgotten);
    let told = decode(&again).expect("what was encoded is decoded");
    assert_eq!(told.node, NodeId(message.node.0));
    assert_eq!(told.forgotten, message.forgotten);
    assert_eq!(told.words, message.words);
});
