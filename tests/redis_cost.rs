//! What the link costs: figures for whoever wants them, bounds that a release build on any machine keeps.
//!
//!     cargo test --release --test redis_cost -- --ignored --nocapture
#![cfg(target_os = "linux")]

mod redis_common;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use atrion::state::{
    Saying,
    redis::{LinkOptions, RedisLink},
};
use redis_common::{Node, Server, options, saying, until};

/// CPU time of the threads of links so far: every one's, by its thread id.
fn link_cpu_ms() -> Vec<(String, f64)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let cpu = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let on_cpu_ns: f64 = schedstat.split(' ').next()?.parse().ok()?;
        name.starts_with("atrion-redis").then(|| (task.file_name().to_string_lossy().into_owned(), on_cpu_ns / 1e6))
    };
    let mut cpu: Vec<_> = tasks.filter_map(cpu).collect();
    cpu.sort_by_key(|(id, _)| id.parse::<u32>().unwrap_or(0));
    cpu
}

fn sayings(count: usize, ticks: u32) -> Vec<Saying> {
    (0..count).map(|i| saying(&format!("GET /api/v1/orders/{i:05}"), f64::from(ticks % 50) + 0.5, ticks)).collect()
}

fn pulse(link: &RedisLink, batches: &[Vec<Saying>], interval: Duration) -> Duration {
    let started = Instant::now();
    let mut saying = Duration::ZERO;
    for (n, batch) in batches.iter().enumerate() {
        let batch = batch.clone();
        let before = Instant::now();
        link.exchange().say(batch);
        saying += before.elapsed();
        thread::sleep((started + interval * (n as u32 + 1)).saturating_duration_since(Instant::now()));
    }
    saying
}

#[test]
#[ignore = "a measurement: ten seconds of a machine that has nothing else to do"]
fn ten_thousand_routes_a_pulse() {
    let server = Server::start();
    let interval = Duration::from_millis(100);
    let a = Node::connected(LinkOptions { interval_ms: 100, ..options(&server) });
    let b = Node::connected(LinkOptions { interval_ms: 100, ..options(&server) });
    let rounds = 100;
    let batches: Vec<_> = (0..rounds).map(|n| sayings(10_000, n + 20_000)).collect();
    pulse(&a.link, &batches[..10], interval);
    let (cpu, stats, started) = (link_cpu_ms(), a.link.stats(), Instant::now());
    let on_caller = pulse(&a.link, &batches, interval);
    let wall_ms = started.elapsed().as_secs_f64() * 1e3;
    let share = |n: usize| (link_cpu_ms()[n].1 - cpu[n].1) / wall_ms * 100.0;
    let (sender, receiver) = (share(0), share(1));
    let now = a.link.stats();
    let sent = (now.sent_bytes - stats.sent_bytes) as f64;
    let stored = (now.stored_bytes - stats.stored_bytes) as f64;
    let words = now.sent_words - stats.sent_words;
    let routes = now.stored_routes - stats.stored_routes;
    // What surrounds a name and a value on the wire: their lengths.
    let framed = stored + routes as f64 * 14.0;
    let per_s = |bytes: f64| bytes / wall_ms / 1e3;
    println!(
        "10,000 routes / 100 ms: sender {sender:.1} %, receiver {receiver:.1} % of a core, caller {:.3} ms a pulse; \
         {:.2} MB/s ({:.2} published, {:.2} stored); {:.1} B a word, {words} words, {routes} stored",
        on_caller.as_secs_f64() * 1e3 / f64::from(rounds),
        per_s(sent + framed),
        per_s(sent),
        per_s(framed),
        sent / words as f64,
    );
    until("all is heard", || b.link.stats().received_words >= now.sent_words);
    assert!(words >= 900_000, "the network kept up: {words}");
    assert!(sender <= 20.0 && receiver <= 20.0, "{sender} % and {receiver} %");
    assert!(per_s(sent + framed) <= 3.0, "{} MB/s", per_s(sent + framed));
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_routes_loaded() {
    let server = Server::start();
    let large = LinkOptions { max_routes: 200_000, ..options(&server) };
    let a = Node::connected(large.clone());
    a.link.exchange().say(sayings(100_000, 1));
    until("all is stored", || a.link.stats().stored_routes == 100_000);
    a.disconnect();
    let started = Instant::now();
    let b = Node::connected(large);
    let elapsed = started.elapsed();
    let loaded = b.link.take_loaded().unwrap().len();
    println!("{loaded} routes loaded in {elapsed:?}; the server holds {}", server.cli(&["dbsize"]));
    assert_eq!(loaded, 100_000);
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}
