//! The bytes that cross between two addons: a batch is read as it was written, and other bytes are refused.

use atrion::{
    physics::peers::PeerAggregate,
    replication::{
        Loaded, OutboundReport, Outbox, Report, RouteKey, RouteName,
        transfer::{self, Outgoing, Received},
    },
};
use proptest::{collection::vec, prelude::*};

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1e6, any::<f64>().prop_filter("equal to itself", |value| !value.is_nan())]
}

fn reports() -> impl Strategy<Value = Report> {
    (numbers(), numbers(), numbers(), any::<u32>(), numbers()).prop_map(
        |(scar, resistance, momentum, ticks, requests)| Report { scar, resistance, momentum, ticks, requests },
    )
}

fn names() -> impl Strategy<Value = RouteName> {
    vec(any::<u8>(), 0..40).prop_map(Into::into)
}

fn keys() -> impl Strategy<Value = RouteKey> {
    any::<u64>().prop_map(RouteKey)
}

fn outgoing() -> impl Strategy<Value = Outgoing> {
    let outbound = (keys(), names(), reports()).prop_map(|(key, name, report)| OutboundReport { key, name, report });
    (numbers(), any::<u64>(), vec(outbound, 0..6), vec(keys(), 0..6)).prop_map(
        |(decay_per_ms, dropped, reports, requested)| Outgoing {
            decay_per_ms,
            dropped,
            outbox: Outbox { reports, requested },
        },
    )
}

fn received() -> impl Strategy<Value = Received> {
    let values = proptest::array::uniform8(numbers());
    let aggregate = (any::<u32>(), any::<u32>(), values).prop_map(
        |(peers, witnesses, [weight, weighted_scar, top, top_weight, second, bottom, bottom_weight, second_lowest])| {
            PeerAggregate {
                peers,
                witnesses,
                weight,
                weighted_scar,
                top,
                top_weight,
                second,
                bottom,
                bottom_weight,
                second_lowest,
            }
        },
    );
    vec((keys(), aggregate), 0..6)
}

fn loaded() -> impl Strategy<Value = Loaded> {
    vec((names(), vec((reports(), numbers()), 0..4)), 0..6)
}

/// Every beginning of `bytes` and everything longer is refused.
fn only_whole(bytes: &[u8], reads: impl Fn(&[u8]) -> bool) {
    assert!((0..bytes.len()).all(|len| !reads(&bytes[..len])));
    assert!(!reads(&[bytes, &[0]].concat()));
}

proptest! {
    #[test]
    fn a_batch_is_read_whole_or_not_at_all(outgoing in outgoing(), received in received(), loaded in loaded()) {
        let bytes = outgoing.encode();
        only_whole(&bytes, |bytes| Outgoing::decode(bytes).is_some());
        prop_assert_eq!(Outgoing::decode(&bytes), Some(outgoing));
        let bytes = transfer::encode_received(&received);
        only_whole(&bytes, |bytes| transfer::decode_received(bytes).is_some());
        prop_assert_eq!(transfer::decode_received(&bytes), Some(received));
        let bytes = transfer::encode_loaded(&loaded);
        only_whole(&bytes, |bytes| transfer::decode_loaded(bytes).is_some());
        prop_assert_eq!(transfer::decode_loaded(&bytes), Some(loaded));
    }

    #[test]
    fn no_bytes_make_it_panic_or_allocate_for_what_is_not_there(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (Outgoing::decode(&bytes), transfer::decode_received(&bytes), transfer::decode_loaded(&bytes));
        let endless = [&u32::MAX.to_le_bytes(), &bytes[..]].concat();
        prop_assert_eq!(transfer::decode_received(&endless), None);
        prop_assert_eq!(transfer::decode_loaded(&endless), None);
    }
}
