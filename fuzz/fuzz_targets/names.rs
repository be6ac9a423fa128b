//! Route names: any sequence of UTF-16 units has one spelling, and any bytes are a name's spelling or none.
#![no_main]

use std::sync::Arc;

use atrion_fuzz::engine::Name;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let name = Name::from_utf16(&units);
    assert_eq!(name.to_utf16(), units);
    assert_eq!(Name::from_shared(name.shared()).is_some(), !units.is_empty());
    if let Some(shared) = Name::from_shared(Arc::from(bytes)) {
        assert_eq!(Name::from_utf16(&shared.to_utf16()), shared, "one spelling");
    }
});
