//! A link whose server is killed, paused, full, read-only or changes its password: one event when it turns bad, one when
//! it is well, and reports from the time between arrive.

use crate::servers;

use std::{thread, time::Duration};

use crate::servers::{Node, Server, options, until};
use atrion::replication::{
    Transport,
    redis::{ClientOptions, Event, Record, Reply, State},
};

#[test]
fn a_killed_server_comes_back_and_what_was_said_is_heard_and_stored() {
    let mut server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    a.send("before", 25.0, 1);
    b.hears("before", |aggregate| aggregate.peers == 1);
    server.kill();
    a.degraded();
    b.degraded();
    assert!(a.update("pay", Record::default()).is_err(), "at once, not when there is a server again");
    for tick in 1..=1000 {
        a.send("meanwhile", f64::from(tick), tick);
    }
    server.restart();
    a.restored();
    b.restored();
    b.hears("meanwhile", |aggregate| aggregate.top > 900.0);
    until("the new server has all of it", || a.list() == ["before", "meanwhile"]);
    // Had the thousand been queued, there would be more.
    assert!(b.client.stats().received_reports < 20, "{:?}", b.client.stats());
    assert_eq!((a.client.stats().reconnects, b.client.stats().reconnects), (1, 1));
    a.calm();
    b.calm();
}

#[test]
fn a_paused_server_is_noticed_and_hangs_nothing() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    server.signal("-STOP");
    let reason = a.degraded();
    assert!(!reason.is_empty());
    b.degraded();
    a.send("meanwhile", 25.0, 1);
    thread::sleep(Duration::from_millis(300));
    assert!(a.get("pay").is_err());
    server.signal("-CONT");
    a.restored();
    b.restored();
    b.hears("meanwhile", |aggregate| aggregate.peers == 1);
    a.calm();
    b.calm();
}

#[test]
fn cut_connections_are_made_again() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    server.cli(&["client", "kill", "type", "pubsub"]);
    for node in [&a, &b] {
        node.degraded();
        node.restored();
    }
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1);
    a.calm();
    b.calm();
}

#[test]
fn a_full_server_still_passes_words_on_and_stores_them_when_there_is_room() {
    let server = Server::with(&["--maxmemory-policy", "noeviction"]);
    let (a, b) = (Node::to(&server), Node::to(&server));
    server.cli(&["config", "set", "maxmemory", "1"]);
    a.send("pay", 25.0, 1);
    let reason = a.degraded();
    assert!(reason.contains("OOM"), "{reason}");
    b.hears("pay", |aggregate| aggregate.peers == 1);
    assert!(a.update("other", Record::default()).unwrap_err().message.contains("OOM"));
    server.cli(&["config", "set", "maxmemory", "0"]);
    a.restored();
    until("it is stored", || a.list() == ["other", "pay"]);
    assert_eq!(a.client.stats().reconnects, 0);
    a.calm();
    b.calm();
}

#[test]
fn a_server_that_becomes_a_replica_is_no_good_until_it_is_a_master() {
    let master = Server::start();
    let server = Server::start();
    let a = Node::to(&server);
    server.cli(&["replicaof", "127.0.0.1", &master.port.to_string()]);
    a.send("pay", 25.0, 1);
    let reason = a.degraded();
    assert!(reason.contains("READONLY") || reason.contains("closed"), "{reason}");
    server.cli(&["replicaof", "no", "one"]);
    a.restored();
    until("it is stored", || a.list() == ["pay"]);
    a.calm();
}

#[test]
fn a_changed_password_locks_out_until_it_is_changed_back() {
    let server = Server::with(&["--requirepass", "one"]);
    let with = |password: &str| ClientOptions { password: Some(password.into()), ..options(&server) };
    let a = Node::connected(with("one"));
    let error = Node::new(with("other")).connect().unwrap_err();
    assert!(error.message.contains("WRONGPASS"), "{error}");
    assert!(Node::new(options(&server)).connect().unwrap_err().message.contains("NOAUTH"));
    server.cli(&["-a", "one", "config", "set", "requirepass", "two"]);
    server.cli(&["-a", "two", "client", "kill", "type", "pubsub"]);
    a.degraded();
    until("it is refused", || a.client.state() == State::Degraded);
    server.cli(&["-a", "two", "config", "set", "requirepass", "one"]);
    a.restored();
    a.calm();
}

#[test]
fn a_revoked_right_is_trouble_and_no_more() {
    let server = Server::start();
    let a = Node::to(&server);
    server.cli(&["acl", "setuser", "default", "-hset"]);
    a.send("pay", 25.0, 1);
    let reason = a.degraded();
    assert!(reason.contains("NOPERM"), "{reason}");
    server.cli(&["acl", "setuser", "default", "+hset"]);
    a.restored();
    until("it is stored", || a.list() == ["pay"]);
    a.calm();
}

#[test]
fn memory_stays_bounded_without_a_server() {
    let mut server = Server::start();
    let a = Node::connected(ClientOptions { max_routes: 100, ..options(&server) });
    server.kill();
    a.degraded();
    for round in 0..200 {
        let name = |i: usize| format!("r{}", round * 100 + i);
        a.client.mailbox().send((0..100).map(|i| servers::report(&name(i), 1.0, 1)).collect());
        // Nobody waits for an answer: there is none without a server.
        a.client.delete(servers::route(&name(0)), Reply::new(|_| {}));
        thread::sleep(Duration::from_millis(1));
    }
    until("most gave way", || a.client.stats().dropped_reports > 10_000);
    assert!(a.client.stats().pending_routes < 20_000, "{:?}", a.client.stats());
    server.restart();
    assert_eq!(a.next(), Event::Restored);
    until("the rest is stored", || a.client.stats().pending_routes == 0);
    assert!(a.list().len() <= 100);
}
