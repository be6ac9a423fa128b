//! Proofs: messages and records under a secret, repetitions, and how much unproved nodes count.

use atrion::{
    physics::{params::RouteParams, peers::PeerAggregate},
    replication::{
        Keyring, Limits, Message, NodeId, PeerTable, Report, RouteKey, decode, encode,
        newcomers::{self, Newcomers},
        replay::{MessageCounters, RecordCounters, WINDOW_MS},
        seal::{Field, Unproven, message_in, record_in},
        seniority::{OLD_MS, YOUNG_MS},
    },
};
use proptest::prelude::*;

const CHANNEL: &str = "atrion:sync";
const PREFIX: &str = "atrion:state:";
const ROUTE: RouteKey = RouteKey(42);

fn secret(fill: u8) -> Vec<u8> {
    vec![fill; 16]
}

fn keyring(secrets: &[Vec<u8>]) -> Keyring {
    Keyring::new(secrets, CHANNEL, PREFIX).expect("there is a secret")
}

fn report(scar: f64, requests: f64) -> Report {
    Report { scar, resistance: scar, momentum: 0.0, ticks: 1, requests }
}

fn message(node: u64, scar: f64, requests: f64) -> Message {
    Message { node: NodeId(node), reports: vec![(ROUTE, report(scar, requests))], forgotten: vec![], greets: false }
}

// messages and records

proptest! {
    #[test]
    fn a_sealed_message_is_opened_by_the_same_secret_and_by_no_other(
        node in any::<u64>(), counter in any::<u64>(), sent in any::<u64>(),
        inner in prop::collection::vec(any::<u8>(), 0..300), fills in prop::collection::vec(any::<u8>(), 1..4), other in any::<u8>(),
    ) {
        let secrets: Vec<_> = fills.iter().map(|fill| secret(*fill)).collect();
        let sealed = keyring(&secrets).seal_message(NodeId(node), counter, sent, &inner);
        let opened = keyring(&secrets).open_message(&sealed).unwrap();
        prop_assert_eq!((opened.node, opened.counter, opened.sent_unix_ms, opened.inner), (NodeId(node), counter, sent, &inner[..]));
        let knows = other == fills[0];
        prop_assert_eq!(keyring(&[secret(other)]).open_message(&sealed).is_ok(), knows);
        prop_assert_eq!(keyring(&[secret(other), secret(fills[0])]).open_message(&sealed).is_ok(), true, "any of them verifies");
    }

    #[test]
    fn any_changed_byte_of_a_message_breaks_its_proof(inner in prop::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), change in 1..=255_u8) {
        let keys = keyring(&[secret(7)]);
        let mut sealed = keys.seal_message(NodeId(1), 2, 3, &inner);
        let at = at.index(sealed.len());
        sealed[at] ^= change;
        prop_assert!(keys.open_message(&sealed).is_err());
        prop_assert!(keys.open_message(&sealed[..at]).is_err());
    }

    #[test]
    fn noise_is_never_believed_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), head in 0..4_usize) {
        let bytes = [[&b""[..], b"At", b"At\x02", b"\x02"][head], &bytes].concat();
        let keys = keyring(&[secret(7)]);
        prop_assert!(keys.open_message(&bytes).is_err());
        let field = Field { node: NodeId(1), shard: 0, name: b"r" };
        prop_assert!(keys.open_record(&field, &bytes).is_err());
        let _ = (message_in(&bytes), record_in(&bytes));
    }

    #[test]
    fn a_record_proves_nothing_elsewhere(
        record in prop::collection::vec(any::<u8>(), 44), counter in any::<u64>(), node in any::<u64>(), shard in 0..64_u8,
        name in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), change in 1..=255_u8,
    ) {
        let record = [&[1], &record[..]].concat();
        let keys = keyring(&[secret(7)]);
        let field = Field { node: NodeId(node), shard, name: &name };
        let value = keys.seal_record(&field, counter, &record);
        prop_assert_eq!(keys.open_record(&field, &value), Ok((record.clone(), counter)));
        prop_assert_eq!(record_in(&value), Some(record.clone()), "a node without a secret reads it all the same");
        let longer = [&name[..], b"x"].concat();
        for other in [
            Field { node: NodeId(node ^ 1), ..field },
            Field { shard: shard ^ 1, ..field },
            Field { name: &longer, ..field },
        ] {
            prop_assert_eq!(keys.open_record(&other, &value), Err(Unproven::Forged));
        }
        prop_assert_eq!(keyring(&[secret(8)]).open_record(&field, &value), Err(Unproven::Forged));
        prop_assert_eq!(keys.open_record(&field, &record), Err(Unproven::Unsigned));
        let mut changed = value.clone();
        changed[at.index(value.len())] ^= change;
        prop_assert!(keys.open_record(&field, &changed).is_err());
        prop_assert!(keys.open_record(&field, &value[..at.index(value.len())]).is_err());
    }
}

#[test]
fn a_proof_is_good_for_one_channel_and_one_prefix() {
    let keys = |channel: &str, prefix: &str| Keyring::new(&[secret(7)], channel, prefix).unwrap();
    let sealed = keys("a", "p").seal_message(NodeId(1), 1, 1, b"x");
    assert!(keys("a", "q").open_message(&sealed).is_ok());
    assert_eq!(keys("b", "p").open_message(&sealed), Err(Unproven::Forged));
    let field = Field { node: NodeId(1), shard: 0, name: b"r" };
    let value = keys("a", "p").seal_record(&field, 1, &[1; 45]);
    assert!(keys("b", "p").open_record(&field, &value).is_ok());
    assert_eq!(keys("a", "q").open_record(&field, &value), Err(Unproven::Forged));
    assert!(Keyring::new(&[], "a", "p").is_none());
}

#[test]
fn a_node_without_a_secret_reads_what_is_sealed_and_takes_nothing_else_for_it() {
    let plain = encode(NodeId(9), [(ROUTE, report(5.0, 1.0))].into_iter(), &[]);
    let sealed = keyring(&[secret(7)]).seal_message(NodeId(9), 1, 1, &plain);
    assert_eq!(message_in(&sealed).map(decode), Some(decode(&plain)));
    assert_eq!(message_in(&plain), None);
    let mut later = plain.clone();
    later[2] = 2;
    assert_eq!(message_in(&later), None, "a version 2 that is none of these");
    assert!(decode(&sealed).is_err(), "older nodes count it as of a later version");
}

// repetitions

#[test]
fn a_message_counts_once_and_within_a_minute() {
    let mut counters = MessageCounters::default();
    let node = NodeId(1);
    let now = 1.8e12;
    let mut accept = |counter, sent: f64, now: f64, mono| counters.accept(node, counter, sent as u64, now, mono);
    assert!(accept(5, now, now, 0.0));
    assert!(!accept(5, now, now, 1.0), "again");
    assert!(!accept(4, now, now, 1.0), "an earlier one");
    assert!(accept(6, now - WINDOW_MS, now, 1.0), "a clock that is behind");
    assert!(!accept(7, now - WINDOW_MS - 1.0, now, 1.0));
    assert!(accept(7, now + WINDOW_MS, now, 1.0), "a clock that is ahead");
    assert!(!accept(8, now + WINDOW_MS + 1.0, now, 1.0));
    assert!(!accept(7, now + WINDOW_MS, now + 1.9 * WINDOW_MS, 1.9 * WINDOW_MS), "remembered as long as it is in time");
}

#[test]
fn the_memory_of_messages_is_bounded_and_never_forgets_what_could_be_repeated() {
    let mut counters = MessageCounters::default();
    let now = 1.8e12;
    let accepted = (0..20_000).filter(|id| counters.accept(NodeId(*id), 1, now as u64, now, 0.0)).count();
    assert_eq!(accepted, 8192);
    assert!((0..20_000).all(|id| !counters.accept(NodeId(id), 1, now as u64, now, 1.0)));
    let later = now + 3.0 * WINDOW_MS;
    assert!(counters.accept(NodeId(30_000), 1, later as u64, later, 3.0 * WINDOW_MS), "the old ones make room");
}

#[test]
fn a_record_does_not_go_back_and_does_not_outlive_its_expiry() {
    let mut counters = RecordCounters::new(4);
    let (place, now, expire) = ((NodeId(1), ROUTE), 1.8e12, 300_000.0);
    assert!(counters.accept(place, 5, now, now, expire));
    assert!(counters.accept(place, 5, now, now, expire), "the same is read twice");
    assert!(!counters.accept(place, 4, now, now, expire));
    assert!(counters.accept((NodeId(2), ROUTE), 4, now, now, expire), "another's");
    assert!(!counters.accept((NodeId(3), ROUTE), 4, now - expire - WINDOW_MS - 1.0, now, expire));
    assert!(!counters.accept((NodeId(3), ROUTE), 4, now + WINDOW_MS + 1.0, now, expire));
    for id in 10..1000 {
        assert!(counters.accept((NodeId(id), ROUTE), 1, now, now, expire));
    }
}

// without a secret

#[test]
fn unknown_nodes_are_let_in_at_a_bounded_rate() {
    let mut gate = Newcomers::default();
    let admitted = |gate: &mut Newcomers, at_ms: f64| (0..5000).filter(|_| gate.admit(at_ms)).count();
    assert_eq!(admitted(&mut gate, 0.0), newcomers::BURST as usize);
    assert_eq!(admitted(&mut gate, 1000.0), newcomers::PER_SECOND as usize);
    assert_eq!(admitted(&mut gate, 500.0), 0, "time that goes back gives nothing");
    assert_eq!(admitted(&mut gate, 1e9), newcomers::BURST as usize);
}

fn table() -> PeerTable {
    let mut table = PeerTable::new(Limits { max_routes: 100, decay_per_ms: 0.0, own: NodeId(0) });
    table.set_ranked(true);
    table
}

fn said(table: &mut PeerTable, now_ms: f64) -> PeerAggregate {
    let mut last = PeerAggregate::default();
    table.request(ROUTE);
    table.drain(now_ms, |_, aggregate| last = aggregate);
    last
}

proptest! {
    #[test]
    fn invented_nodes_together_count_as_one(
        honest in prop::collection::vec((0.0..300.0, 0.0..1e3), 1..8), lies in prop::collection::vec((0.0..2e6, 0.0..1e12), 1..200),
        before_ms in 0.001..YOUNG_MS, gamma in 0.0..=1.0,
    ) {
        let law = RouteParams::default();
        let mut table = table();
        for (id, (scar, requests)) in honest.iter().enumerate() {
            table.receive_stored(&message(id as u64 + 1, *scar, *requests), 0.0);
        }
        let alone = said(&mut table, 0.0);
        for (id, (scar, requests)) in honest.iter().enumerate() {
            table.receive(&message(id as u64 + 1, *scar, *requests), before_ms);
        }
        for (id, (scar, requests)) in lies.iter().enumerate() {
            table.receive(&message(id as u64 + 1000, *scar, *requests), before_ms);
        }
        let with = said(&mut table, before_ms);
        prop_assert_eq!(with.peers as usize, honest.len() + usize::from(honest.len() < 16));
        prop_assert!(with.weight <= 2.0 * alone.weight * (1.0 + 1e-9), "no majority");
        prop_assert!(with.second <= alone.top.max(alone.second), "no agreement among themselves");
        prop_assert!(with.witnesses <= alone.witnesses + 1);
        // Reports that no honest node confirms count as one node's.
        let bound = gamma * (alone.top + law.base_resistance * law.break_multiplier);
        prop_assert!(with.blend(0.0, gamma, &law).add <= bound + 1e-6);
    }

    #[test]
    fn the_first_reports_to_a_lone_node_count_as_one(
        quiet_ms in prop_oneof![Just(0.0), 0.0..YOUNG_MS, 0.0..1e8], spread_ms in prop_oneof![Just(0.0), 0.0..YOUNG_MS / 300.0],
        lies in prop::collection::vec((0.0..2e6, 0.0..1e12), 1..200), again in any::<bool>(), gamma in 0.0..=1.0, local in 0.0..300.0,
    ) {
        let law = RouteParams::default();
        let mut table = table();
        if again {
            table.listen(quiet_ms);
        }
        let mut now_ms = quiet_ms;
        for (id, (scar, requests)) in lies.iter().enumerate() {
            table.receive(&message(id as u64 + 1000, *scar, *requests), now_ms);
            now_ms += spread_ms;
        }
        let with = said(&mut table, now_ms);
        prop_assert!(with.peers == 1 && !with.agrees_closed(), "{with:?}");
        let blend = with.blend(local, gamma, &law);
        prop_assert!((blend.belief, blend.witnesses) == (0.0, 0));
        prop_assert!((blend.blend(local) - local).abs() <= gamma * law.base_resistance * law.break_multiplier + 1e-6);
    }
}

#[test]
fn invented_nodes_take_no_place_of_those_that_were_there_before() {
    let mut table = table();
    for id in 1..=16 {
        table.receive_stored(&message(id, 7.0, 10.0), 0.0);
    }
    for id in 100..200 {
        table.receive(&message(id, 1e6, 1e12), 1000.0);
    }
    let aggregate = said(&mut table, 1000.0);
    assert!(
        (aggregate.top - 7.0).abs() < 1e-6 && aggregate.peers == 16 && table.dropped().reports == 100,
        "{aggregate:?}"
    );
    // One of the first falls silent, so there is a place.
    for id in 2..=16 {
        table.receive(&message(id, 7.0, 10.0), 3500.0);
    }
    table.sweep(3500.0);
    table.receive(&message(300, 9.0, 0.0), 3500.0);
    let aggregate = said(&mut table, 3500.0);
    assert!(aggregate.peers == 16 && (aggregate.top - 9.0).abs() < 1e-6, "{aggregate:?}");
}

#[test]
fn invented_nodes_agree_on_nothing_that_earlier_nodes_have_not_reported() {
    let mut words = table();
    // One that has said nothing of any route is there all the same.
    words.receive_stored(&Message { node: NodeId(1), reports: vec![], forgotten: vec![], greets: false }, 0.0);
    for id in 100..164 {
        words.receive(&message(id, 1e6, 1e12), 1000.0);
    }
    let aggregate = said(&mut words, 1000.0);
    assert!(aggregate.peers == 1 && aggregate.second <= 0.0 && !aggregate.agrees_closed(), "{aggregate:?}");
}

/// True when two nodes that joined after a healthy one, met on the channel, agree that a route fails, after so long.
fn agreed_after(known_ms: f64, alone_ms: f64) -> bool {
    let mut table = table();
    table.receive(&message(1, 0.0, 1.0), 0.0);
    for id in 2..=3 {
        table.receive(&message(id, 190.0, 1.0), alone_ms);
    }
    let now_ms = alone_ms + known_ms;
    for (id, scar) in [(1, 0.0), (2, 190.0), (3, 190.0)] {
        table.receive(&message(id, scar, 1.0), now_ms);
    }
    said(&mut table, now_ms).agrees_closed()
}

#[test]
fn a_joining_node_counts_in_full_after_half_the_age_of_the_first_a_minute_at_least_and_an_hour_at_most() {
    assert!(!agreed_after(0.0, 0.0), "together, as any number of invented ones may come");
    assert!(agreed_after(YOUNG_MS, 0.0));
    assert!(!agreed_after(0.0, 0.001));
    assert!(!agreed_after(YOUNG_MS - 1.0, 1000.0));
    assert!(agreed_after(YOUNG_MS, 1000.0));
    assert!(!agreed_after(YOUNG_MS, 10.0 * YOUNG_MS), "the first has been there for ten minutes");
    assert!(agreed_after(10.0 * YOUNG_MS, 10.0 * YOUNG_MS));
    assert!(!agreed_after(OLD_MS - 1.0, 100.0 * OLD_MS));
    assert!(agreed_after(OLD_MS, 100.0 * OLD_MS));
}

#[test]
fn nodes_that_were_there_before_this_one_are_equal_at_once() {
    let mut table = table();
    for id in 1..=3 {
        table.receive_stored(&message(id, 190.0, 1.0), 5.0);
    }
    assert!(said(&mut table, 5.0).agrees_closed());
    // They are still when this one has listened for long.
    for id in 1..=3 {
        table.receive(&message(id, 190.0, 1.0), 2000.0);
    }
    assert!(said(&mut table, 2000.0).agrees_closed());
}

#[test]
fn an_outage_of_the_channel_costs_a_minute_of_agreement_and_no_more() {
    let mut table = table();
    let long_ms = 10.0 * OLD_MS;
    table.listen(long_ms);
    for id in 1..=2 {
        table.receive(&message(id, 190.0, 1.0), long_ms + 1.0);
    }
    assert!(!said(&mut table, long_ms + 1.0).agrees_closed());
    let now_ms = long_ms + YOUNG_MS + 2.0;
    for id in 1..=2 {
        table.receive(&message(id, 190.0, 1.0), now_ms);
    }
    assert!(said(&mut table, now_ms).agrees_closed());
}

#[test]
fn proved_nodes_are_equal_at_once() {
    let mut table = table();
    table.set_ranked(false);
    table.receive(&message(1, 0.0, 1.0), 0.0);
    for id in 2..=3 {
        table.receive(&message(id, 190.0, 1.0), 50_000.0);
    }
    table.receive(&message(1, 0.0, 1.0), 50_000.0);
    let aggregate = said(&mut table, 50_000.0);
    assert!(aggregate.peers == 3 && aggregate.agrees_closed());
}
