//! The client on one real server: reports arrive, and stored records are loaded.

use crate::servers;

use std::{sync::mpsc, time::Duration};

use crate::servers::{Node, PATIENCE, Server, ask, options, route, until};
use atrion::replication::{
    NodeId, Report, Transport, encode,
    redis::{ClientOptions, Event, Record, RedisClient, Reply, State},
};

#[test]
fn two_nodes_hear_each_other_and_not_themselves() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1 && (aggregate.top - 25.0).abs() < 1.0);
    b.send("pay", 5.0, 1);
    a.hears("pay", |aggregate| aggregate.peers == 1 && aggregate.top < 6.0);
    // A node that received its own reports would have two peers by now: b's came after its own.
    assert_eq!(a.client.stats().received_reports, 1);
    assert_eq!(a.client.state(), State::Healthy);
}

#[test]
fn a_restarted_node_loads_what_the_others_stored_and_how_old_it_is() {
    let server = Server::start();
    let first = Node::to(&server);
    first.send("pay", 25.0, 7);
    first.send("geh\u{fffd}", 0.5, 1);
    first.disconnect();
    assert_eq!(first.client.state(), State::Closed);
    let second = Node::to(&server);
    let mut loaded = second.client.take_loaded().expect("something was loaded");
    loaded.sort_by(|a, b| a.0.cmp(&b.0));
    let [(geh, _), (pay, reports)] = &loaded[..] else { panic!("{loaded:?}") };
    assert_eq!((&geh[..], &pay[..]), ("geh\u{fffd}".as_bytes(), &b"pay"[..]));
    let [(report, age_ms)] = reports[..] else { panic!("{reports:?}") };
    assert_eq!(report, Report { scar: 25.0, resistance: 125.0, momentum: 0.0, ticks: 7, requests: 10.0 });
    assert!((0.0..60_000.0).contains(&age_ms), "{age_ms}");
    assert_eq!(second.client.take_loaded(), None);
    assert_eq!(second.client.stats().loaded_routes, 2);
}

#[test]
fn a_vector_comes_back_exactly_from_any_node() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    let record = Record { scar: 0.1, resistance: 1e-9, momentum: 1e300, ticks: 1.5e15, ..Record::default() };
    let same = |got: Option<Record>| {
        let got = got.expect("there is one");
        assert_eq!(Record { at_unix_ms: 0.0, ..got }, record);
    };
    a.update("pay", record).unwrap();
    same(a.get("pay").unwrap());
    same(b.get("pay").unwrap());
    assert_eq!(b.get("nobody").unwrap(), None);
    let newer = Record { scar: 9.0, ..record };
    b.update("pay", newer).unwrap();
    assert_eq!(a.get("pay").unwrap().map(|got| got.scar), Some(9.0), "the most recently written counts");
    a.update("two\0", record).unwrap();
    assert_eq!(b.list(), ["pay", "two\0"]);
    ask(|reply| a.client.delete(route("pay"), reply)).unwrap();
    assert_eq!(a.list(), ["two\0"]);
    assert_eq!(a.get("pay").unwrap(), None);
    // In its own keys, each node its own, and all of them expire.
    for key in server.cli(&["keys", "*"]).lines() {
        assert!(key.starts_with("atrion:state:"), "{key}");
        assert!(server.cli(&["pttl", key]).parse::<i64>().unwrap() > 0, "{key}");
    }
}

#[test]
fn a_reset_is_heard_and_stored() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1);
    until("it is stored", || a.client.stats().stored_routes == 1);
    ask(|reply| a.client.delete(route("pay"), reply)).unwrap();
    b.hears("pay", |aggregate| aggregate.peers == 0);
    until("it is gone", || b.list().is_empty());
}

#[test]
fn a_watcher_of_a_route_receives_changes_of_other_nodes() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    b.client.watch(route("pay"), true);
    let record = Record { scar: 0.1, resistance: 0.2, momentum: 0.3, ticks: 4.0, ..Record::default() };
    a.update("other", record).unwrap();
    a.update("pay", record).unwrap();
    let Event::Changed(name, from, got) = b.next() else { panic!("another event") };
    assert_eq!((&name[..], from, Record { at_unix_ms: 0.0, ..got }), (&b"pay"[..], a.client.node(), record), "exactly");
    b.client.watch(route("pay"), false);
    a.update("pay", Record { ticks: 5.0, ..record }).unwrap();
    // A round trip later it would have come.
    b.get("pay").unwrap();
    b.get("pay").unwrap();
    b.calm();
    a.calm();
}

#[test]
fn a_node_with_nothing_to_say_is_heard_from_and_says_no_more() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    until("heartbeats", || b.client.stats().received_messages >= 3 && b.client.stats().nodes == 1);
    let sent = a.client.stats();
    assert_eq!(sent.sent_reports, 0);
    assert_eq!(sent.sent_bytes, 20 * sent.sent_messages);
    // Two beats in at least a second: at 20 ms an interval there could have been a hundred.
    assert!(sent.sent_messages <= 10, "{sent:?}");
}

#[test]
fn hostile_messages_are_counted_and_dropped() {
    let server = Server::start();
    let (a, b) = (Node::to(&server), Node::to(&server));
    let huge = "x".repeat((4 << 20) + 1);
    let big = server.folder().join("big");
    std::fs::write(&big, &huge).unwrap();
    server.cli(&["publish", "atrion:sync", "garbage"]);
    server.cli(&["publish", "atrion:sync", ""]);
    server.cli(&["publish", "atrion:sync", "At\u{7f}of the future"]);
    let oversized = format!("redis-cli -p {} -x publish atrion:sync < {}", server.port, big.display());
    assert!(std::process::Command::new("sh").args(["-c", &oversized]).status().unwrap().success());
    until("all is heard", || {
        let stats = a.client.stats();
        (stats.dropped_malformed, stats.dropped_future, stats.dropped_oversized) == (2, 1, 1)
    });
    // Not finite, in an otherwise sound message.
    let mut bytes = encode(NodeId(1), std::iter::once((atrion::replication::RouteKey(1), Report::default())), &[]);
    bytes[28..32].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&big, &bytes).unwrap();
    assert!(std::process::Command::new("sh").args(["-c", &oversized]).status().unwrap().success());
    until("it is dropped", || a.client.stats().dropped_malformed == 3);
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1 && aggregate.top.is_finite());
    a.calm();
    b.calm();
}

#[test]
fn records_of_other_programs_are_skipped() {
    let server = Server::start();
    let a = Node::to(&server);
    a.send("pay", 25.0, 7);
    a.disconnect();
    server.cli(&["set", "atrion:state:00000000000000aa:01", "a string"]);
    server.cli(&["hset", "atrion:state:00000000000000ab:01", "name", "no record"]);
    server.cli(&["hset", "atrion:state:elsewhere", "name", "value"]);
    let b = Node::to(&server);
    assert_eq!(b.client.stats().loaded_routes, 1);
    assert_eq!(b.client.stats().dropped_records, 2);
    assert_eq!(b.list(), ["pay"]);
}

#[test]
fn tables_stay_bounded() {
    let server = Server::start();
    let bounded = ClientOptions { max_routes: 100, ..options(&server) };
    let (a, b) = (Node::connected(options(&server)), Node::connected(bounded.clone()));
    a.client.mailbox().send((0..1000).map(|i| servers::report(&format!("r{i}"), 1.0, 1)).collect());
    until("all is heard", || b.client.stats().received_reports == 1000);
    until("most gave way", || b.client.stats().dropped_reports >= 900);
    until("all is stored", || a.client.stats().stored_routes == 1000);
    let c = Node::connected(bounded);
    assert_eq!(c.client.take_loaded().unwrap().len(), 100);
    assert_eq!(c.list().len(), 100);
}

#[test]
fn a_dropped_link_ends_its_thread_and_answers_everybody() {
    let server = Server::start();
    let threads = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
        names
            .filter(|task| {
                std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("atrion-r"))
            })
            .count()
    };
    let (hung_up, hangs_up) = mpsc::channel::<()>();
    let node = Node::to(&server);
    node.client.on_event(Box::new(move |_| {
        let _ = hung_up.send(());
    }));
    assert!(threads() >= 1);
    server.signal("-STOP");
    let (answer, answered) = mpsc::channel();
    node.client.get(route("pay"), Reply::new(move |result| drop(answer.send(result))));
    drop(node);
    assert!(answered.recv_timeout(PATIENCE).unwrap().is_err());
    // The listener goes with the thread's half.
    assert_eq!(hangs_up.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    server.signal("-CONT");
}

#[test]
fn calls_without_a_connection_fail_at_once_and_disconnecting_twice_is_nothing() {
    let client = RedisClient::new(ClientOptions::default());
    assert!(ask(|reply| client.get(route("pay"), reply)).is_err());
    assert!(ask(|reply| client.update(route("pay"), Record::default(), reply)).is_err());
    ask(|reply| client.disconnect(reply)).unwrap();
    assert_eq!(client.state(), State::Closed);
    let server = Server::start();
    let node = Node::to(&server);
    ask(|reply| node.client.connect(reply)).unwrap();
    node.disconnect();
    node.disconnect();
    node.connect().unwrap();
    node.send("pay", 1.0, 1);
    until("it is stored", || node.list() == ["pay"]);
}

#[test]
fn a_missing_server_is_told_in_time() {
    let port = servers::free_port();
    let endpoints = vec![atrion::replication::redis::Endpoint::Tcp("127.0.0.1".into(), port)];
    let options = ClientOptions { endpoints, connect_timeout_ms: 1000, interval_ms: 20, ..ClientOptions::default() };
    let error = Node::new(options.clone()).connect().unwrap_err();
    assert!(error.message.contains(&port.to_string()) && error.message.contains("refused"), "{error}");
    // A server that accepts and says nothing.
    let silent = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let started = std::time::Instant::now();
    let error = Node::new(options.clone()).connect().unwrap_err();
    assert!(started.elapsed() < Duration::from_millis(1500), "{error} after {:?}", started.elapsed());
    drop(silent);
    let patient = Node::connected(ClientOptions { required: false, ..options });
    patient.degraded();
    let mut server = Server::on(port, &[], None);
    patient.restored();
    patient.send("pay", 1.0, 1);
    until("it is stored", || patient.list() == ["pay"]);
    server.kill();
    patient.degraded();
}
