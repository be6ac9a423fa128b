//! TLS with a private authority and a user of few rights, a cluster whose slots move, sentinels whose master fails over.

use crate::servers;

use std::{fs, path::Path, process::Command};

use crate::servers::{Node, Server, cli, free_port, options, until};
use atrion::replication::{
    Transport,
    redis::{ClientOptions, Endpoint, Record, Tls, Topology},
};

fn openssl(folder: &Path, args: &str) {
    let out = Command::new("openssl").args(args.split_whitespace()).current_dir(folder).output();
    let out = out.unwrap_or_else(|error| panic!("this test needs openssl ({error}): apt install openssl"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// An authority, and a certificate for 127.0.0.1 and redis.test.
fn certificates(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(folder, &format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.crt"));
    openssl(folder, &format!("req {key} -subj /CN=redis.test -keyout server.key -out server.csr"));
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:redis.test").unwrap();
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
}

#[test]
fn tls_with_a_private_authority_and_a_user_of_few_rights() {
    let folder = std::env::temp_dir().join(format!("atrion-tls-{}", std::process::id()));
    certificates(&folder);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (ca, cert, key) = (path("ca.crt"), path("server.crt"), path("server.key"));
    let port = free_port();
    let tls_port = port.to_string();
    #[rustfmt::skip]
    let server = Server::on(port, &[
        "--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca,
        "--tls-auth-clients", "no",
        "--user", "default", "off",
        "--user", "shop", "on", ">p@ss:w/rd", "~atrion:*", "&atrion:*", "+@all", "-@dangerous",
    ], None);
    let ca = fs::read(&ca).unwrap();
    let trusting = Tls { ca: Some(ca), ..Tls::default() };
    let secure = ClientOptions {
        username: Some("shop".into()),
        password: Some("p@ss:w/rd".into()),
        tls: Some(trusting.clone()),
        ..options(&server)
    };
    let with = |tls: Tls| ClientOptions { tls: Some(tls), ..secure.clone() };
    let (a, b) = (Node::connected(secure.clone()), Node::connected(secure.clone()));
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1);
    until("it is stored", || b.list() == ["pay"]);
    Node::connected(with(Tls { server_name: Some("redis.test".into()), ..trusting.clone() }));
    Node::connected(with(Tls { accept_any: true, ..Tls::default() }));
    let refused = |options: ClientOptions| Node::new(options).connect().unwrap_err().message;
    let message = refused(with(Tls { server_name: Some("elsewhere.test".into()), ..trusting }));
    assert!(message.contains("not valid for name"), "{message}");
    let message = refused(with(Tls::default()));
    assert!(message.contains("UnknownIssuer"), "{message}");
    let message = refused(ClientOptions { password: Some("wrong".into()), ..secure });
    assert!(message.contains("WRONGPASS") && !message.contains("p@ss"), "{message}");
    fs::remove_dir_all(&folder).unwrap();
}

struct Cluster(Vec<Server>);

impl Cluster {
    fn start() -> Self {
        #[rustfmt::skip]
        let servers: Vec<Server> = (0..3).map(|_| Server::with(&[
            "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no",
        ])).collect();
        let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut args = vec!["--cluster", "create"];
        args.extend(addresses.iter().map(String::as_str));
        args.extend(["--cluster-replicas", "0", "--cluster-yes"]);
        servers[0].cli(&args);
        let cluster = Self(servers);
        cluster.wait();
        cluster
    }

    fn wait(&self) {
        until("the cluster is well", || {
            self.0.iter().all(|server| server.cli(&["cluster", "info"]).contains("cluster_state:ok"))
        });
    }

    fn options(&self, seed: usize) -> ClientOptions {
        ClientOptions { topology: Topology::Cluster, ..options(&self.0[seed]) }
    }

    fn owner(&self, slot: i64) -> &Server {
        let slots = |server: &Server| server.cli(&["cluster", "nodes"]);
        let owns = |server: &&Server| {
            slots(server).lines().find(|line| line.contains("myself")).is_some_and(|line| {
                line.split(' ').skip(8).any(|range| {
                    let (from, to) = range.split_once('-').unwrap_or((range, range));
                    from.parse::<i64>().is_ok_and(|from| from <= slot) && to.parse::<i64>().is_ok_and(|to| slot <= to)
                })
            })
        };
        self.0.iter().find(owns).expect("an owner")
    }
}

#[test]
fn a_cluster_whose_slots_move() {
    let cluster = Cluster::start();
    let (a, b) = (Node::connected(cluster.options(0)), Node::connected(cluster.options(2)));
    a.client.mailbox().send((0..500).map(|i| servers::report(&format!("r{i}"), 1.0, 1)).collect());
    b.hears("r499", |aggregate| aggregate.peers == 1);
    until("all is stored, on all masters", || a.client.stats().stored_routes == 500);
    assert!(cluster.0.iter().all(|server| server.cli(&["dbsize"]).parse::<u32>().unwrap() > 5));
    let c = Node::connected(cluster.options(1));
    assert_eq!(c.client.take_loaded().unwrap().len(), 500);
    assert_eq!(c.list().len(), 500);
    let record = Record { scar: 1.5, resistance: 2.5, momentum: 0.5, ticks: 9.0, ..Record::default() };
    a.update("pay", record).unwrap();
    assert_eq!(b.get("pay").unwrap().map(|got| Record { at_unix_ms: 0.0, ..got }), Some(record));

    // Sharded: it went through one server only.
    let slot: i64 = cli(cluster.0[0].port, &["cluster", "keyslot", "atrion:sync"]).parse().unwrap();
    let owner = cluster.owner(slot);
    assert_eq!(owner.cli(&["pubsub", "shardchannels"]), "atrion:sync");
    let id = |server: &Server| server.cli(&["cluster", "myid"]);
    let other = cluster.0.iter().find(|server| server.port != owner.port).unwrap();
    let slot_text = slot.to_string();
    for server in [other, owner] {
        let (state, node) = if server.port == other.port { ("importing", id(owner)) } else { ("migrating", id(other)) };
        server.cli(&["cluster", "setslot", &slot_text, state, &node]);
    }
    for server in [other, owner] {
        server.cli(&["cluster", "setslot", &slot_text, "node", &id(other)]);
    }
    until("the channel is elsewhere", || other.cli(&["pubsub", "shardchannels"]) == "atrion:sync");
    a.send("moved", 25.0, 1);
    b.hears("moved", |aggregate| aggregate.peers == 1);
    // Nobody was in trouble: the servers said where to go.
    a.calm();
    b.calm();
}

#[test]
fn a_part_of_a_cluster_that_dies_and_comes_back() {
    let mut cluster = Cluster::start();
    let (a, b) = (Node::connected(cluster.options(0)), Node::connected(cluster.options(1)));
    let slot: i64 = cli(cluster.0[0].port, &["cluster", "keyslot", "atrion:sync"]).parse().unwrap();
    let port = cluster.owner(slot).port;
    let owner = cluster.0.iter_mut().find(|server| server.port == port).unwrap();
    owner.kill();
    a.degraded();
    b.degraded();
    a.send("meanwhile", 25.0, 1);
    owner.restart();
    a.restored();
    b.restored();
    b.hears("meanwhile", |aggregate| aggregate.peers == 1);
}

#[test]
fn sentinels_know_the_new_master() {
    let mut master = Server::start();
    let replica = Server::with(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
    until("it is replicated", || replica.cli(&["info", "replication"]).contains("master_link_status:up"));
    let config = format!(
        "sentinel monitor shop 127.0.0.1 {} 1\nsentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n",
        master.port
    );
    let sentinel = Server::on(free_port(), &[], Some(&config));
    until("the sentinel knows the replica", || sentinel.cli(&["sentinel", "master", "shop"]).contains("num-slaves\n1"));
    let options = ClientOptions {
        endpoints: vec![Endpoint::Tcp("127.0.0.1".into(), free_port()), sentinel.endpoint()],
        topology: Topology::Sentinel { master: "shop".into(), username: None, password: None },
        ..options(&sentinel)
    };
    let (a, b) = (Node::connected(options.clone()), Node::connected(options.clone()));
    a.send("pay", 25.0, 1);
    b.hears("pay", |aggregate| aggregate.peers == 1);
    master.kill();
    a.degraded();
    b.degraded();
    a.send("meanwhile", 25.0, 1);
    a.restored();
    b.restored();
    b.hears("meanwhile", |aggregate| aggregate.peers == 1);
    until("the new master has all of it", || replica.cli(&["keys", "*"]).lines().count() == 2 && a.list().len() == 2);
    let unknown = Topology::Sentinel { master: "nobody".into(), username: None, password: None };
    let error = Node::new(ClientOptions { topology: unknown, ..options }).connect().unwrap_err();
    assert!(error.message.contains("nobody"), "{error}");
}
