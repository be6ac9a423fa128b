//! Real servers for the tests of the link: started on free loopback ports in a temporary folder, gone with the test.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use atrion::{
    physics::peers::PeerAggregate,
    replication::{
        OutboundReport, Report, RouteKey, RouteName, Transport,
        redis::{ClientError, ClientOptions, Endpoint, Event, Record, RedisClient, Reply, State},
    },
};

/// Nothing takes longer than this, or it does not happen.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A server process.
pub struct Server {
    child: Child,
    pub port: u16,
    folder: PathBuf,
    args: Vec<String>,
}

/// A port that was free a moment ago; below those that the system hands out for connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let offset = std::process::id() * 61 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (offset % 10_000) as u16;
        // A cluster's nodes talk to each other on a port 10,000 higher.
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(args: &[&str]) -> Self {
        Self::on(free_port(), args, None)
    }

    pub fn on(port: u16, args: &[&str], sentinel: Option<&str>) -> Self {
        let folder = std::env::temp_dir().join(format!("atrion-redis-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut all: Vec<String> = Vec::new();
        if let Some(config) = sentinel {
            let path = folder.join("sentinel.conf");
            fs::write(&path, config).unwrap();
            all.extend([path.to_string_lossy().into_owned(), "--sentinel".into()]);
        }
        if !args.contains(&"--port") {
            all.extend(["--port".to_string(), port.to_string()]);
        }
        all.extend(["--bind", "127.0.0.1", "--dir"].map(String::from));
        all.push(folder.to_string_lossy().into_owned());
        if sentinel.is_none() {
            all.extend(["--save", "", "--appendonly", "no"].map(String::from));
        }
        all.extend(args.iter().map(ToString::to_string));
        let server = Self { child: spawn(&all), port, folder, args: all };
        server.wait();
        server
    }

    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Waits until it accepts connections.
    pub fn wait(&self) {
        until("the server accepts connections", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub fn cli(&self, args: &[&str]) -> String {
        cli(self.port, args)
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp("127.0.0.1".into(), self.port)
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub fn kill(&mut self) {
        self.signal("-KILL");
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.child = spawn(&self.args);
        self.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(args: &[String]) -> Child {
    Command::new("redis-server").args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(
        |error| panic!("these tests need redis-server ({error}): apt install redis-server, or brew install redis"),
    )
}

pub fn cli(port: u16, args: &[&str]) -> String {
    let out = Command::new("redis-cli").args(["-p", &port.to_string()]).args(args).output().expect("redis-cli");
    String::from_utf8_lossy(&out.stdout).trim().to_string()
}

/// Waits for something that has no event of its own.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Calls and waits for the answer.
pub fn ask<T: Send + 'static>(call: impl FnOnce(Reply<T>)) -> Result<T, ClientError> {
    let (answer, answered) = mpsc::sync_channel(1);
    call(Reply::new(move |result| drop(answer.send(result))));
    answered.recv_timeout(PATIENCE).expect("an answer")
}

/// A link and what happened to it.
pub struct Node {
    pub client: RedisClient,
    pub events: mpsc::Receiver<Event>,
}

impl Node {
    pub fn new(options: ClientOptions) -> Self {
        let client = RedisClient::new(options);
        let (tell, events) = mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        client.on_event(Box::new(move |event| drop(tell.lock().unwrap().send(event))));
        Self { client, events }
    }

    pub fn connected(options: ClientOptions) -> Self {
        let node = Self::new(options);
        node.connect().unwrap();
        node
    }

    pub fn to(server: &Server) -> Self {
        Self::connected(options(server))
    }

    pub fn connect(&self) -> Result<(), ClientError> {
        ask(|reply| self.client.connect(reply))
    }

    pub fn disconnect(&self) {
        ask(|reply| self.client.disconnect(reply)).unwrap();
    }

    pub fn send(&self, name: &str, scar: f64, ticks: u32) {
        self.client.mailbox().send(vec![report(name, scar, ticks)]);
    }

    pub fn update(&self, name: &str, record: Record) -> Result<(), ClientError> {
        ask(|reply| self.client.update(route(name), record, reply))
    }

    pub fn get(&self, name: &str) -> Result<Option<Record>, ClientError> {
        ask(|reply| self.client.get(route(name), reply))
    }

    pub fn list(&self) -> Vec<String> {
        let names = ask(|reply| self.client.list(reply)).unwrap();
        let mut names: Vec<String> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        names
    }

    /// Waits until the others say so of a route.
    pub fn hears(&self, name: &str, what: impl Fn(&PeerAggregate) -> bool) {
        let key = RouteKey::of(name.as_bytes());
        until(&format!("{name} is heard of"), || {
            self.client.mailbox().take_received().iter().any(|(heard, aggregate)| *heard == key && what(aggregate))
        });
    }

    pub fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    pub fn degraded(&self) -> String {
        match self.next() {
            // It may be well again by now.
            Event::Degraded(reason) => reason,
            other => panic!("{other:?} instead of Degraded"),
        }
    }

    pub fn restored(&self) {
        assert_eq!(self.next(), Event::Restored);
        assert_eq!(self.client.state(), State::Healthy);
    }

    /// Nothing else has happened.
    pub fn calm(&self) {
        assert_eq!(self.events.try_recv(), Err(mpsc::TryRecvError::Empty));
    }
}

pub fn options(server: &Server) -> ClientOptions {
    ClientOptions { endpoints: vec![server.endpoint()], interval_ms: 20, ..ClientOptions::default() }
}

pub fn route(name: &str) -> RouteName {
    Arc::from(name.as_bytes())
}

pub fn report(name: &str, scar: f64, ticks: u32) -> OutboundReport {
    let report = Report { scar, resistance: 100.0 + scar, momentum: 0.0, ticks, requests: 10.0 };
    OutboundReport { key: RouteKey::of(name.as_bytes()), name: route(name), report }
}
