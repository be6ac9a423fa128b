//! The message on the wire: exact about what it carries, and unmoved by anything else.

use atrion::replication::{Malformed, Message, NodeId, Report, RouteKey, codec, decode, encode};
use proptest::prelude::*;

const HEADER_BYTES: usize = 20;

fn report(scar: f64, resistance: f64, ticks: u32, requests: f64) -> Report {
    Report { scar, resistance, momentum: 0.0, ticks, requests }
}

fn sent(reports: &[(RouteKey, Report)], forgotten: &[RouteKey]) -> Vec<u8> {
    encode(NodeId(7), reports.iter().copied(), forgotten)
}

fn heard(reports: &[(RouteKey, Report)]) -> Vec<Report> {
    decode(&sent(reports, &[])).unwrap().reports.into_iter().map(|(_, report)| report).collect()
}

/// Every decoded message has numbers that physics accepts.
fn assert_sane(message: &Message) {
    for (_, report) in &message.reports {
        assert!((0.0..=1e6).contains(&report.scar) && (0.0..=1e6).contains(&report.resistance), "{report:?}");
        assert!(report.scar.is_sign_positive() && report.resistance.is_sign_positive(), "{report:?}");
        assert!((0.0..4.5e9).contains(&report.requests) && report.momentum == 0.0, "{report:?}");
    }
}

/// The most that one message may hold in memory: 48 + 8 bytes for at least 18 on the wire.
fn assert_bounded(message: &Message, bytes: &[u8]) {
    assert!(18 * message.reports.capacity() + 8 * message.forgotten.capacity() <= bytes.len());
}

#[test]
fn keys_are_siphash_2_4_under_a_key_that_never_changes() {
    // By an implementation of the published algorithm of its own, below, which is checked against the paper's vector.
    let paper: Vec<u8> = (0..15).collect();
    assert_eq!(siphash24(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, &paper), 0xa129_ca61_49be_45e5);
    let (k0, k1) = (u64::from_le_bytes(*b"atrion:r"), u64::from_le_bytes(*b"oute:key"));
    for name in
        [&b""[..], b"GET /orders", b"12345678", "caf\u{e9} \u{1f41f}".as_bytes(), &[0xed, 0xa0, 0x80], &[0; 10_000]]
    {
        assert_eq!(RouteKey::of(name), RouteKey(siphash24(k0, k1, name)), "{name:?}");
    }
    assert_eq!(RouteKey::of(b"GET /orders"), RouteKey(247_727_006_001_050_358));
}

fn siphash24(k0: u64, k1: u64, bytes: &[u8]) -> u64 {
    fn round(v: &mut [u64; 4]) {
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32).wrapping_add(v[3]);
        v[2] = v[2].wrapping_add(v[1]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
    let mut v = [
        k0 ^ u64::from_be_bytes(*b"somepseu"),
        k1 ^ u64::from_be_bytes(*b"dorandom"),
        k0 ^ u64::from_be_bytes(*b"lygenera"),
        k1 ^ u64::from_be_bytes(*b"tedbytes"),
    ];
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() / 8 * 8 + 7, 0);
    padded.push(bytes.len() as u8);
    for block in padded.chunks_exact(8) {
        let m = u64::from_le_bytes(block.try_into().unwrap());
        v[3] ^= m;
        round(&mut v);
        round(&mut v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = sent(&[(RouteKey(0x0102_0304_0506_0708), report(1.5, 64.0, 300, 3.0))], &[RouteKey(9)]);
    #[rustfmt::skip]
    assert_eq!(bytes, [
        b'A', b't', 1, 0,  7, 0, 0, 0, 0, 0, 0, 0,  1, 0, 0, 0,  1, 0, 0, 0,
        9, 0, 0, 0, 0, 0, 0, 0,
        8, 7, 6, 5, 4, 3, 2, 1,  0, 0, 0xc0, 0x3f,  0, 0, 0x80, 0x42,  0xac, 0x02,  16,
    ]);
}

#[test]
fn a_heartbeat_is_a_header_and_a_route_is_about_twenty_bytes() {
    assert_eq!(sent(&[], &[]).len(), HEADER_BYTES);
    assert_eq!(
        decode(&sent(&[], &[])),
        Ok(Message { node: NodeId(7), reports: vec![], forgotten: vec![], greets: false })
    );
    for (ticks, bytes) in [(0, 18), (127, 18), (128, 19), (16_383, 19), (16_384, 20), (u32::MAX, 22)] {
        assert_eq!(sent(&[(RouteKey(1), report(1.0, 1.0, ticks, 1.0))], &[]).len(), HEADER_BYTES + bytes, "{ticks}");
    }

    let most: Vec<_> =
        (0..codec::MAX_RECORDS as u64).map(|k| (RouteKey(k), report(1e6, 1e6, u32::MAX, 1e12))).collect();
    let bytes = sent(&most, &[]);
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    assert_eq!(decode(&bytes).unwrap().reports.len(), codec::MAX_RECORDS);
}

#[test]
fn values_that_no_law_gives_are_corrected_before_they_are_sent() {
    for (said, is) in [
        (f64::NAN, 0.0),
        (f64::INFINITY, 1e6),
        (f64::NEG_INFINITY, 0.0),
        (-1.0, 0.0),
        (-0.0, 0.0),
        (1e300, 1e6),
        (1_000_000.01, 1e6),
        (f64::MIN_POSITIVE, 0.0),
        (1e6, 1e6),
    ] {
        let [report] = heard(&[(RouteKey(1), report(said, said, 0, 0.0))])[..] else { panic!() };
        assert_eq!(
            (report.scar.to_bits(), report.resistance.to_bits()),
            (f64::to_bits(is), f64::to_bits(is)),
            "{said}"
        );
    }
    for (said, is) in [(f64::NAN, 0.0), (-5.0, 0.0), (0.0, 0.0), (1.0, 1.0), (3.0, 3.0)] {
        let [report] = heard(&[(RouteKey(1), report(0.0, 0.0, 0, said))])[..] else { panic!() };
        assert_eq!(report.requests.to_bits(), f64::to_bits(is), "{said}");
    }
    let [most] = heard(&[(RouteKey(1), report(0.0, 0.0, 0, f64::INFINITY))])[..] else { panic!() };
    assert!(most.requests > 3.9e9, "{}", most.requests);
}

#[test]
fn each_rejected_message_names_its_fault() {
    let one = sent(&[(RouteKey(1), report(1.0, 2.0, 3, 4.0))], &[RouteKey(5)]);
    let with = |at: usize, bytes: &[u8]| {
        let mut message = one.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        decode(&message)
    };
    assert_eq!(decode(b""), Err(Malformed::Foreign));
    assert_eq!(decode(b"A"), Err(Malformed::Foreign));
    assert_eq!(decode(br#"{"type":"sync","routes":{}}"#), Err(Malformed::Foreign));
    assert_eq!(decode(b"At"), Err(Malformed::Truncated));
    assert_eq!(with(2, &[0]), Err(Malformed::Foreign));
    for version in 2..=255 {
        // Of a later version nothing but that is known, so neither its length nor anything else matters.
        assert_eq!(with(2, &[version]), Err(Malformed::Future(version)));
        assert_eq!(decode(&[b'A', b't', version]), Err(Malformed::Future(version)));
    }
    assert_eq!(with(3, &[2]), Err(Malformed::BadNumber));
    assert_eq!(with(12, &[2]), Err(Malformed::Truncated));
    assert_eq!(with(12, &[0]), Err(Malformed::Trailing));
    assert_eq!(with(12, &[0xff; 8]), Err(Malformed::Truncated));
    let (scar, resistance, ticks) = (36, 40, 44);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -f32::MIN_POSITIVE] {
        assert_eq!(with(scar, &bad.to_le_bytes()), Err(Malformed::BadNumber), "{bad}");
        assert_eq!(with(resistance, &bad.to_le_bytes()), Err(Malformed::BadNumber), "{bad}");
    }
    assert_eq!(with(scar, &(-0.0_f32).to_le_bytes()).unwrap().reports[0].1.scar.to_bits(), 0);
    assert_eq!(with(scar, &f32::MAX.to_le_bytes()).unwrap().reports[0].1.scar.to_bits(), 1e6_f64.to_bits());
    assert_eq!(with(ticks, &[0x83, 0]), Err(Malformed::BadNumber), "a longer spelling");
    let mut long = one.clone();
    long.splice(ticks..=ticks, [0xff, 0xff, 0xff, 0xff, 0x1f]);
    assert_eq!(decode(&long), Err(Malformed::BadNumber), "2³³ − 1");
    assert_eq!(decode(&vec![b'A'; codec::MAX_BYTES + 1]), Err(Malformed::TooLong(codec::MAX_BYTES + 1)));
    let mut trailing = one.clone();
    trailing.push(0);
    assert_eq!(decode(&trailing), Err(Malformed::Trailing));
    for end in 3..one.len() {
        assert_eq!(decode(&one[..end]), Err(Malformed::Truncated), "{end} bytes of {}", one.len());
    }
    for error in [Malformed::Foreign, Malformed::Future(2), Malformed::TooLong(5_000_000)] {
        assert!(error.to_string().contains("message"), "{error}");
    }
}

fn any_word() -> impl Strategy<Value = (RouteKey, Report)> {
    (any::<u64>(), any::<f64>(), any::<f64>(), any::<u32>(), any::<f64>())
        .prop_map(|(key, scar, resistance, ticks, requests)| (RouteKey(key), report(scar, resistance, ticks, requests)))
}

fn real_word() -> impl Strategy<Value = (RouteKey, Report)> {
    (any::<u64>(), 0.0..1e6, 0.0..1e6, any::<u32>(), prop_oneof![Just(0.0), 0.0..10.0, 0.0..4e9])
        .prop_map(|(key, scar, resistance, ticks, requests)| (RouteKey(key), report(scar, resistance, ticks, requests)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_message_arrives_as_it_was_sent(
        node in any::<u64>(),
        reports in prop::collection::vec(real_word(), 0..50),
        forgotten in prop::collection::vec(any::<u64>().prop_map(RouteKey), 0..10),
    ) {
        let message = decode(&encode(NodeId(node), reports.iter().copied(), &forgotten)).unwrap();
        prop_assert_eq!(message.node, NodeId(node));
        prop_assert_eq!(&message.forgotten, &forgotten);
        prop_assert_eq!(message.reports.len(), reports.len());
        for ((key, report), (sent_key, sent)) in message.reports.iter().zip(&reports) {
            prop_assert_eq!((key, report.ticks), (sent_key, sent.ticks));
            prop_assert_eq!((report.scar, report.resistance), (f64::from(sent.scar as f32), f64::from(sent.resistance as f32)));
            // Half a step of eight an octave; and what is seen at all is never taken for nothing.
            let ratio = (1.0 + report.requests) / (1.0 + sent.requests);
            prop_assert!(sent.requests < 0.1 || (0.957..1.045).contains(&ratio), "{} of {}", report.requests, sent.requests);
            prop_assert_eq!(report.requests > 0.0, sent.requests > 0.0);
        }
    }

    #[test]
    fn a_decoded_message_encodes_to_the_same_bytes(reports in prop::collection::vec(any_word(), 0..50)) {
        let once = sent(&reports, &[]);
        let message = decode(&once).unwrap();
        assert_sane(&message);
        prop_assert_eq!(sent(&message.reports, &[]), once);
    }

    #[test]
    fn arbitrary_bytes_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = decode(&bytes) {
            assert_sane(&message);
            assert_bounded(&message, &bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_harm_nobody(
        reports in 0_u32..20,
        forgotten in 0_u32..5,
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = sent(&[], &[]);
        bytes[12..16].copy_from_slice(&reports.to_le_bytes());
        bytes[16..20].copy_from_slice(&forgotten.to_le_bytes());
        bytes.extend(body);
        if let Ok(message) = decode(&bytes) {
            assert_sane(&message);
            assert_bounded(&message, &bytes);
        }
    }

    #[test]
    fn flipped_bits_and_lost_ends_harm_nobody(
        reports in prop::collection::vec(real_word(), 0..20),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sent(&reports, &[RouteKey(1), RouteKey(2)]);
        let cut = &bytes[..end.index(bytes.len())];
        prop_assert_eq!(decode(cut), Err(if cut.len() < 2 { Malformed::Foreign } else { Malformed::Truncated }));
        for flip in flips {
            let bit = flip.index(8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(message) = decode(&bytes) {
            assert_sane(&message);
            assert_bounded(&message, &bytes);
        }
    }
}

#[test]
fn a_greeting_is_a_heartbeat_that_says_so() {
    let greeted = decode(&atrion::replication::greeting(NodeId(7)));
    assert_eq!(greeted, Ok(Message { node: NodeId(7), reports: vec![], forgotten: vec![], greets: true }));
}
