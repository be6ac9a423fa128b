//! The options and the counters of the Redis client, as JavaScript sees them. The options are validated in TypeScript; what is
//! checked again here are the numbers that the client relies on.

use napi::{Result, Status, bindgen_prelude::Buffer};
use napi_derive::napi;

use super::checks;
use crate::replication::redis::{ClientOptions, Endpoint, Tls, Topology};

/// TLS options of a client.
#[napi(object)]
pub struct RedisTlsOptions {
    /// Certificates to trust instead of the system's roots, PEM.
    pub ca: Option<Buffer>,
    /// The client's certificate, PEM.
    pub cert: Option<Buffer>,
    /// The certificate's key, PEM.
    pub key: Option<Buffer>,
    /// The name that the server's certificate has to be for, if not the host's.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub accept_any: bool,
}

/// The options of a client. All of them are validated in `ts/providers/redis/settings.ts`.
#[napi(object)]
pub struct RedisLinkOptions {
    /// Hosts, each with the port at the same place of `ports`.
    pub hosts: Vec<String>,
    /// Ports.
    pub ports: Vec<u32>,
    /// A Unix socket instead.
    pub path: Option<String>,
    /// Are the hosts seeds of a cluster?
    pub is_cluster: bool,
    /// The group of the master that the hosts, then sentinels, know.
    pub sentinel_master: Option<String>,
    /// The user name for the sentinels.
    pub sentinel_username: Option<String>,
    /// The password for the sentinels.
    pub sentinel_password: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Number of the database.
    pub db: u32,
    /// TLS, if any.
    pub tls: Option<RedisTlsOptions>,
    /// The prefix of every key.
    pub key_prefix: String,
    /// The channel for pub/sub.
    pub channel: String,
    /// The secrets of the service: the first signs, all verify. Empty for none.
    pub secrets: Vec<Buffer>,
    /// The zone of this node.
    pub zone: Option<String>,
    /// ms
    pub interval_ms: u32,
    /// ms
    pub connect_timeout_ms: u32,
    /// ms
    pub expire_ms: f64,
    /// Most routes kept and loaded.
    pub max_routes: u32,
    /// True when `connect()` fails where the first attempt does.
    pub required: bool,
}

impl RedisLinkOptions {
    /// Checks every number; the rest is text, and its validity is the server's to judge.
    pub(super) fn into_options(self) -> Result<ClientOptions> {
        let mut tcp = Vec::new();
        for (host, &port) in self.hosts.into_iter().zip(&self.ports) {
            checks::number("port", port.into(), 1.0, u16::MAX.into())?;
            tcp.push(Endpoint::Tcp(host, port as u16));
        }
        checks::number("intervalMs", self.interval_ms.into(), 1.0, 60_000.0)?;
        checks::number("connectTimeoutMs", self.connect_timeout_ms.into(), 1.0, 600_000.0)?;
        checks::number("expireMs", self.expire_ms, 1_000.0, 1e12)?;
        checks::max_routes(self.max_routes)?;
        let topology = match self.sentinel_master {
            Some(master) => {
                Topology::Sentinel { master, username: self.sentinel_username, password: self.sentinel_password }
            }
            None if self.is_cluster => Topology::Cluster,
            None => Topology::Single,
        };
        let endpoints = self.path.map_or(tcp, |path| vec![Endpoint::Unix(path)]);
        if endpoints.is_empty() {
            return Err(napi::Error::new(Status::InvalidArg, "hosts must not be empty where there is no path"));
        }
        Ok(ClientOptions {
            endpoints,
            topology,
            username: self.username,
            password: self.password,
            db: self.db.into(),
            tls: self.tls.map(|tls| Tls {
                ca: tls.ca.map(Into::into),
                cert: tls.cert.map(Into::into),
                key: tls.key.map(Into::into),
                server_name: tls.server_name,
                accept_any: tls.accept_any,
            }),
            key_prefix: self.key_prefix,
            channel: self.channel,
            secrets: self.secrets.into_iter().map(Into::into).collect(),
            zone: self.zone,
            interval_ms: self.interval_ms.into(),
            connect_timeout_ms: self.connect_timeout_ms.into(),
            expire_ms: self.expire_ms as u64,
            max_routes: self.max_routes as usize,
            required: self.required,
        })
    }
}

/// Counters since the client was made, but for those that say now or last.
#[napi(object)]
pub struct RedisLinkStats {
    /// 'closed', 'connecting', 'healthy' or 'degraded', now.
    pub state: String,
    /// Messages published.
    pub sent_messages: f64,
    /// Their bytes.
    pub sent_bytes: f64,
    /// Routes in those messages.
    pub sent_routes: f64,
    /// Routes written to the store.
    pub stored_routes: f64,
    /// Bytes of their names and values.
    pub stored_bytes: f64,
    /// Messages of others.
    pub received_messages: f64,
    /// Their bytes.
    pub received_bytes: f64,
    /// Routes in those messages.
    pub received_routes: f64,
    /// Messages dropped because they were malformed.
    pub dropped_malformed: f64,
    /// Messages dropped because they were longer than 4 MiB, or came faster than they could be handled.
    pub dropped_oversized: f64,
    /// Messages dropped because a later version wrote them.
    pub dropped_future: f64,
    /// Stored values skipped because they are malformed.
    pub dropped_records: f64,
    /// Messages and stored values without a MAC, where there is a secret.
    pub dropped_unsigned: f64,
    /// Messages dropped because their MAC is by none of the secrets.
    pub dropped_forged: f64,
    /// Messages dropped because they came before, or their time is too far from now.
    pub dropped_replayed: f64,
    /// Messages of unknown nodes dropped because too many came at once, where there is no secret.
    pub dropped_strangers: f64,
    /// Routes that gave way to others, because tables are bounded.
    pub dropped_routes: f64,
    /// Routes loaded from the store, last time.
    pub loaded_routes: f64,
    /// Times that a connection was made again.
    pub reconnects: f64,
    /// Nodes with a message within three seconds, now.
    pub nodes: f64,
    /// Routes of which something still has to be written, now.
    pub pending_routes: f64,
}
