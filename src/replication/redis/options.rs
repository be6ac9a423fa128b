//! The options of a link.

use std::fmt;

use crate::units::Millis;

/// The time that a running server may take to answer a command, ms: longer, and it counts as lost.
pub const RESPONSE_TIMEOUT_MS: u64 = 2000;

/// The address at which a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host by name or address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// The topology of the servers at the endpoints.
#[derive(Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server; of several endpoints the first that answers.
    Single,
    /// A Redis Cluster; the endpoints are seeds.
    Cluster,
    /// Sentinels at the endpoints know where the master is.
    Sentinel {
        /// Name of the master's group.
        master: String,
        /// The credentials for the sentinels; none by default.
        username: Option<String>,
        /// The password for the sentinels.
        password: Option<String>,
    },
}

/// The settings of TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust instead of the system's roots, PEM.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate, PEM; needs `key`.
    pub cert: Option<Vec<u8>>,
    /// The certificate's key, PEM.
    pub key: Option<Vec<u8>>,
    /// The name that the server's certificate has to be for, unless it is the host's. Not for clusters.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub accept_any: bool,
}

/// The options of a client. Credentials never show in its `Debug`: it has none.
///
/// ```
/// use atrion::replication::redis::{ClientOptions, Endpoint};
///
/// let options = ClientOptions {
///     endpoints: vec![Endpoint::Tcp("redis.internal".into(), 6379)],
///     interval_ms: 250,
///     ..ClientOptions::default()
/// };
/// assert_eq!((options.channel.as_str(), options.expire_ms), ("atrion:sync", 300_000));
/// ```
#[derive(Clone, PartialEq)]
pub struct ClientOptions {
    /// The servers to try, ≥ 1.
    pub endpoints: Vec<Endpoint>,
    /// Their topology.
    pub topology: Topology,
    /// The user name; the default user where there is only a password.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Number of the database; clusters have only 0.
    pub db: i64,
    /// TLS to all servers, sentinels included.
    pub tls: Option<Tls>,
    /// The prefix of every key.
    pub key_prefix: String,
    /// The channel for pub/sub.
    pub channel: String,
    /// The secrets of the service: the first signs messages and records, all verify them. Empty for none.
    pub secrets: Vec<Vec<u8>>,
    /// The zone of this node: nodes in the same one weigh more. None: all weigh alike.
    pub zone: Option<String>,
    /// The interval of messages, ms, ≥ 1.
    pub interval_ms: u64,
    /// The timeout of a connection, ms, ≥ 1.
    pub connect_timeout_ms: u64,
    /// The expiry of stored records that are not renewed, ms, ≥ 1000.
    pub expire_ms: u64,
    /// Most routes kept and loaded, ≥ 1.
    pub max_routes: usize,
    /// True where `connect` fails when the first attempt does; else the client keeps trying.
    pub required: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            endpoints: vec![Endpoint::Tcp("127.0.0.1".into(), 6379)],
            topology: Topology::Single,
            username: None,
            password: None,
            db: 0,
            tls: None,
            key_prefix: "atrion:state:".into(),
            channel: "atrion:sync".into(),
            secrets: Vec::new(),
            zone: None,
            interval_ms: 100,
            connect_timeout_ms: 5000,
            expire_ms: 300_000,
            max_routes: 65_536,
            required: true,
        }
    }
}

impl ClientOptions {
    /// The expiry as a time.
    pub(super) fn expiry(&self) -> Millis {
        self.expire_ms as Millis
    }
}
