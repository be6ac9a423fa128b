//! A value and a key of the store, as any node or another client may have written them.
#![no_main]

use atrion_fuzz::replication::record::{Record, SHARDS, hash_key, parse_hash_key};

fn holds(record: &Record) {
    for number in [record.scar, record.resistance, record.momentum, record.ticks, f64::from(record.requests)] {
        assert!(number >= 0.0 && number.is_finite(), "{record:?}");
    }
    let report = record.report();
    assert!(report.scar >= 0.0 && report.requests >= 0.0, "{report:?}");
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = Record::decode(bytes) {
        holds(&record);
        assert_eq!(record.encode(), bytes);
    }
    if let Some(record) = Record::of_legacy(bytes, 7.0) {
        holds(&record);
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
    if let Some((node, shard)) = parse_hash_key("p:", bytes) {
        assert!(shard < SHARDS);
        assert_eq!(hash_key("p:", node, shard).into_bytes(), bytes.to_ascii_lowercase());
    }
});
