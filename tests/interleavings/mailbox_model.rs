//! The mailbox: two threads, each the only one that puts in on its side.

use std::{collections::HashMap, sync::Arc};

use shuttle::thread;

use crate::{
    explore,
    mailbox::Mailbox,
    physics::peers::PeerAggregate,
    replication::{OutboundReport, Report, RouteKey},
};

/// Fewer places than reports: some batches are merged while the other side empties the box.
const MAX_ROUTES: usize = 2;
const BATCHES: u32 = 12;

fn report(route: u64, ticks: u32) -> OutboundReport {
    OutboundReport {
        key: RouteKey(route),
        name: Arc::from([b'r'].as_slice()),
        report: Report { ticks, ..Report::default() },
    }
}

/// Notes what came; what is older than what came before shows that the order was lost.
fn note(newest: &mut HashMap<u64, u32>, key: RouteKey, ticks: u32) {
    let before = newest.insert(key.0, ticks);
    assert!(before.is_none_or(|before| before <= ticks), "{before:?}, then {ticks}");
}

#[test]
fn the_newest_of_each_route_arrives_last_whoever_is_interrupted() {
    explore(3_000, || {
        let mailbox = Arc::new(Mailbox::new(MAX_ROUTES));
        let deciding = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                let mut heard = HashMap::new();
                for ticks in 1..=BATCHES {
                    mailbox.send(vec![report(1, ticks), report(2, ticks)]);
                    mailbox.request(vec![RouteKey(u64::from(ticks))]);
                    for (key, aggregate) in mailbox.take_received() {
                        note(&mut heard, key, aggregate.peers);
                    }
                }
                heard
            })
        };
        let (mut sent, mut requested) = (HashMap::new(), 0);
        let mut take = |requested: &mut u64| {
            let outbox = mailbox.take_outgoing();
            *requested += outbox.requested.len() as u64;
            for report in outbox.reports {
                note(&mut sent, report.key, report.report.ticks);
            }
        };
        for peers in 1..=BATCHES {
            take(&mut requested);
            mailbox.deliver(vec![1, 2].into_iter().map(|key| (RouteKey(key), aggregate(peers))).collect());
        }
        let mut heard = deciding.join().expect("the deciding thread ends");
        take(&mut requested);
        for (key, aggregate) in mailbox.take_received() {
            note(&mut heard, key, aggregate.peers);
        }
        let all = HashMap::from([(1, BATCHES), (2, BATCHES)]);
        assert_eq!((&sent, &heard), (&all, &all));
        assert_eq!(requested + mailbox.dropped(), u64::from(BATCHES), "what is not passed on is counted");
    });
}

fn aggregate(peers: u32) -> PeerAggregate {
    PeerAggregate { peers, ..PeerAggregate::default() }
}
