//! The mailbox between two threads: the newest report of each route arrives, in bounded memory, also when one thread sleeps.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use atrion::{
    physics::peers::PeerAggregate,
    replication::{Mailbox, OutboundReport, Outbox, Report, RouteKey},
};
use proptest::prelude::*;

fn report(name: &str, ticks: u32) -> OutboundReport {
    let report = Report { ticks, ..Report::default() };
    OutboundReport { key: RouteKey::of(name.as_bytes()), name: name.as_bytes().into(), report }
}

fn aggregate(reports: u32) -> PeerAggregate {
    PeerAggregate { peers: reports, ..PeerAggregate::default() }
}

fn names(outbox: &Outbox) -> Vec<(&str, u32)> {
    outbox.reports.iter().map(|said| (std::str::from_utf8(&said.name).unwrap(), said.report.ticks)).collect()
}

#[test]
fn the_newest_of_each_route_goes_out_once() {
    let mailbox = Mailbox::new(10);
    mailbox.send(vec![report("a", 1), report("b", 1)]);
    mailbox.send(vec![]);
    mailbox.send(vec![report("a", 2), report("c", 1), report("c", 0)]);
    // The last said counts, whatever its ticks: the route may have begun anew.
    assert_eq!(names(&mailbox.take_outgoing()), [("b", 1), ("a", 2), ("c", 0)]);
    assert_eq!(mailbox.take_outgoing(), Outbox::default());
    assert_eq!(mailbox.dropped(), 0);
}

#[test]
fn reports_arrive_in_the_order_they_were_sent() {
    let mailbox = Mailbox::new(10);
    assert_eq!(mailbox.take_received(), []);
    let (a, b) = (RouteKey(1), RouteKey(2));
    mailbox.deliver(vec![(a, aggregate(1)), (b, aggregate(1))]);
    assert_eq!(mailbox.take_received(), [(a, aggregate(1)), (b, aggregate(1))]);
    mailbox.deliver(vec![(a, aggregate(2))]);
    mailbox.deliver(vec![]);
    mailbox.deliver(vec![(b, aggregate(2)), (a, aggregate(0))]);
    assert_eq!(mailbox.take_received(), [(a, aggregate(2)), (b, aggregate(2)), (a, aggregate(0))]);
    assert_eq!(mailbox.take_received(), []);
}

#[test]
fn if_the_network_sleeps_the_newest_of_each_route_is_kept_and_no_more() {
    let mailbox = Mailbox::new(100);
    for round in 0..1000 {
        mailbox.send((0..50).map(|k| report(&format!("{k}"), round)).collect());
    }
    let outbox = mailbox.take_outgoing();
    assert_eq!((outbox.reports.len(), mailbox.dropped()), (50, 0));
    assert!(outbox.reports.iter().all(|said| said.report.ticks == 999));
    for k in 0..10_000 {
        mailbox.send(vec![report(&format!("{k}"), k)]);
        mailbox.request(vec![RouteKey(u64::from(k))]);
    }
    let outbox = mailbox.take_outgoing();
    let ticks: Vec<_> = outbox.reports.iter().map(|said| said.report.ticks).collect();
    assert_eq!(ticks, (9900..10_000).collect::<Vec<_>>());
    assert_eq!(outbox.requested.len(), 100);
    assert_eq!(mailbox.dropped(), 9900 + 9900);
}

#[test]
fn if_the_deciding_thread_sleeps_the_newest_of_each_route_is_kept_and_little_more() {
    let mailbox = Mailbox::new(100);
    for round in 0..1000 {
        mailbox.deliver((0..50).map(|k| (RouteKey(k), aggregate(round))).collect());
    }
    let heard = mailbox.take_received();
    assert!(heard.len() <= 400, "{} at once", heard.len());
    let last: HashMap<_, _> = heard.into_iter().collect();
    assert_eq!(last.len(), 50);
    assert!(last.values().all(|aggregate| aggregate.peers == 999));
    assert_eq!(mailbox.dropped(), 0);
    for k in 0..10_000 {
        mailbox.deliver(vec![(RouteKey(k), aggregate(1))]);
    }
    let heard = mailbox.take_received();
    assert!(heard.len() <= 400, "{} at once", heard.len());
    assert_eq!(heard.last(), Some(&(RouteKey(9999), aggregate(1))));
}

#[test]
fn two_threads_lose_nothing_between_them() {
    let mailbox = Arc::new(Mailbox::new(8));
    // Both go on until the network has found something so many times.
    let met = Arc::new(AtomicU32::new(0));
    let decides = {
        let (mailbox, met) = (mailbox.clone(), met.clone());
        thread::spawn(move || {
            let (mut heard, mut round) = (HashMap::new(), 0);
            while met.load(Ordering::Relaxed) < 2000 {
                round += 1;
                mailbox.send((0..4).map(|k| report(&format!("{k}"), round)).collect());
                for (key, aggregate) in mailbox.take_received() {
                    let before = heard.insert(key, aggregate.peers).unwrap_or(0);
                    assert!(before <= aggregate.peers, "{before} before {}", aggregate.peers);
                }
            }
            (heard, round)
        })
    };
    let (mut sent, mut told) = (HashMap::new(), 0);
    let mut send = |outbox: Outbox| {
        for said in outbox.reports {
            let before = sent.insert(said.key, said.report.ticks).unwrap_or(0);
            assert!(before <= said.report.ticks, "{before} before {}", said.report.ticks);
        }
    };
    while !decides.is_finished() {
        told += 1;
        mailbox.deliver((0..4).map(|k| (RouteKey(k), aggregate(told))).collect());
        let outbox = mailbox.take_outgoing();
        if !outbox.reports.is_empty() {
            met.fetch_add(1, Ordering::Relaxed);
        }
        send(outbox);
    }
    let (mut heard, said) = decides.join().unwrap();
    heard.extend(mailbox.take_received().into_iter().map(|(key, aggregate)| (key, aggregate.peers)));
    send(mailbox.take_outgoing());
    assert!(heard.len() == 4 && heard.values().all(|&reports| reports == told), "{heard:?}, {told} told");
    assert!(sent.len() == 4 && sent.values().all(|&ticks| ticks == said), "{sent:?}, {said} said");
    assert_eq!(mailbox.dropped(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Say(Vec<(u8, u32)>),
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0_u8..12, any::<u32>()), 0..8).prop_map(Step::Say),
        1 => Just(Step::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Against a plain list of what was said and not yet sent. With room for 3 the slack is used up often.
    #[test]
    fn the_last_report_of_each_route_is_sent(steps in prop::collection::vec(step(), 1..60), max in 3_usize..20) {
        let mailbox = Mailbox::new(max);
        let mut said: Vec<(u8, u32)> = vec![];
        let mut dropped = 0;
        for step in steps {
            match step {
                Step::Say(batch) => {
                    mailbox.send(batch.iter().map(|&(k, ticks)| report(&k.to_string(), ticks)).collect());
                    for (k, ticks) in batch {
                        said.retain(|&(known, _)| known != k);
                        said.push((k, ticks));
                    }
                }
                Step::Take => {
                    let outbox = mailbox.take_outgoing();
                    prop_assert!(outbox.reports.len() <= max);
                    // A sender of more than there is room for loses the oldest, at a time that depends on when room was made.
                    if mailbox.dropped() == dropped {
                        let expected: Vec<_> = said.iter().map(|(k, ticks)| (k.to_string(), *ticks)).collect();
                        let got = names(&outbox).into_iter().map(|(name, ticks)| (name.to_string(), ticks));
                        prop_assert_eq!(got.collect::<Vec<_>>(), expected);
                    } else {
                        let known: Vec<_> = said.iter().map(|(k, _)| k.to_string()).collect();
                        prop_assert!(names(&outbox).iter().all(|(name, _)| known.iter().any(|known| known == name)));
                        dropped = mailbox.dropped();
                    }
                    said.clear();
                }
            }
        }
    }
}
