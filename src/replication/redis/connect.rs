//! From options to connections that work: single servers, sentinels, clusters, TLS or not.
//!
//! | connection | what for |
//! |---|---|
//! | bus | publishes and subscribes, over RESP3, so that one socket does both and what fails for one fails for the other |
//! | store | reads and writes hashes: the bus itself, or a client of all masters of a cluster |
//!
//! In a cluster the bus goes to the master that owns the channel's slot, for sharded pub/sub where there is such (7.0):
//! plain pub/sub would travel to every node of the cluster.
//!
//! A connection counts as made when it can do what it is for: it has subscribed, and a write was not refused. A replica
//! that was a master a moment ago accepts connections as well.
//!
//! One file, because every way to connect ends in the same session.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisFuture, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    cmd,
    io::{AsyncDNSResolver, tcp::TcpSettings},
};

use super::{
    error::{ClientError, Kind},
    options::{ClientOptions, Endpoint, RESPONSE_TIMEOUT_MS, Tls, Topology},
};

/// The handler of what the server pushes.
pub type PushHandler = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// The connections to the hashes.
#[derive(Clone)]
pub enum Store {
    /// On one server.
    One(MultiplexedConnection),
    /// On the masters of a cluster.
    Cluster(ClusterConnection, Arc<[Endpoint]>),
}

/// A working connection.
#[derive(Clone)]
pub struct Session {
    /// To publish with.
    pub bus: MultiplexedConnection,
    /// To store with.
    pub store: Store,
    /// Is pub/sub sharded?
    pub sharded: bool,
    /// Other places to begin from, the next time.
    pub known: Vec<Endpoint>,
    /// The address of the one server, unless it is a cluster.
    at: Option<Endpoint>,
}

/// Connects, subscribes and tries a write on `probe_key`. `known` are more endpoints to try than the options name.
pub async fn open(
    options: &ClientOptions,
    known: &[Endpoint],
    probe_key: &str,
    handler: PushHandler,
) -> Result<Session, ClientError> {
    let session = match &options.topology {
        Topology::Single => single(options, &options.endpoints, handler).await?,
        Topology::Sentinel { .. } => {
            let master = ask_sentinels(options).await?;
            single(options, &[master], handler).await?
        }
        Topology::Cluster => cluster(options, known, handler).await?,
    };
    // Writes nothing and needs no memory, but is refused by whoever may not write.
    session.store.clone().run::<Value>(cmd("HDEL").arg(probe_key).arg("probe")).await?;
    Ok(session)
}

/// A connection of its own to what is stored: what is read over it, however large, holds up neither the bus nor writes.
pub async fn reader(options: &ClientOptions, session: &Session) -> Result<Store, ClientError> {
    match (&session.at, &session.store) {
        (Some(at), _) => Ok(Store::One(dial(options, at, None).await?)),
        (None, Store::Cluster(_, masters)) => {
            Ok(Store::Cluster(cluster_connection(options, masters).await?, Arc::clone(masters)))
        }
        (None, Store::One(_)) => Err(ClientError::closed()),
    }
}

async fn single(options: &ClientOptions, endpoints: &[Endpoint], handler: PushHandler) -> Result<Session, ClientError> {
    let (mut bus, at) = dial_first(options, endpoints, Some(handler)).await?;
    query(&mut bus, cmd("SUBSCRIBE").arg(&options.channel)).await?;
    Ok(Session { store: Store::One(bus.clone()), bus, sharded: false, known: Vec::new(), at: Some(at) })
}

async fn cluster(options: &ClientOptions, known: &[Endpoint], handler: PushHandler) -> Result<Session, ClientError> {
    let seeds: Vec<Endpoint> = options.endpoints.iter().chain(known).cloned().collect();
    let (mut seed, seed_endpoint) = dial_first(options, &seeds, None).await?;
    let slots = query(&mut seed, cmd("CLUSTER").arg("SLOTS")).await?;
    let slot: u16 = from_value(query(&mut seed, cmd("CLUSTER").arg("KEYSLOT").arg(&options.channel)).await?)?;
    let ranges = parse_slots(&slots, &seed_endpoint);
    let owner = ranges.iter().find(|(from, to, _)| (*from..=*to).contains(&slot)).map(|(_, _, master)| master);
    let Some(owner) = owner else {
        return Err(ClientError::new(Kind::Refused, format!("no node of the cluster owns slot {slot}")));
    };
    let masters = masters_of(&ranges);
    let mut bus = dial(options, owner, Some(handler)).await?;
    let sharded = match query(&mut bus, cmd("SSUBSCRIBE").arg(&options.channel)).await {
        Ok(_) => true,
        // A server before 7.0.
        Err(error) if error.message.contains("unknown command") => {
            query(&mut bus, cmd("SUBSCRIBE").arg(&options.channel)).await?;
            false
        }
        Err(error) => return Err(error),
    };
    let store = cluster_connection(options, &masters).await?;
    Ok(Session { bus, store: Store::Cluster(store, masters.clone().into()), sharded, known: masters, at: None })
}

/// A connection to all masters of a cluster.
async fn cluster_connection(options: &ClientOptions, masters: &[Endpoint]) -> Result<ClusterConnection, ClientError> {
    let nodes = masters.iter().map(|master| connection_info(options, master)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(Duration::from_millis(options.connect_timeout_ms))
        .response_timeout(Duration::from_millis(RESPONSE_TIMEOUT_MS))
        .use_protocol(ProtocolVersion::RESP3)
        .tcp_settings(TcpSettings::default().set_nodelay(true))
        .retries(2);
    if let Some(username) = &options.username {
        builder = builder.username(username);
    }
    if let Some(password) = &options.password {
        builder = builder.password(password);
    }
    if let Some(tls) = &options.tls {
        builder =
            builder.tls(if tls.accept_any { TlsMode::Insecure } else { TlsMode::Secure }).certs(certificates(tls));
    }
    Ok(builder.build()?.get_async_connection().await?)
}

/// Asks one sentinel after the other where the master is.
async fn ask_sentinels(options: &ClientOptions) -> Result<Endpoint, ClientError> {
    let Topology::Sentinel { master, username, password } = &options.topology else {
        return Err(ClientError::closed());
    };
    let identity = ClientOptions {
        username: username.clone(),
        password: password.clone(),
        db: 0,
        // One dead sentinel must not take the time of the others.
        connect_timeout_ms: options.connect_timeout_ms / (options.endpoints.len() as u64 + 1),
        ..options.clone()
    };
    let mut last = ClientError::closed();
    for sentinel in &options.endpoints {
        let asked = async {
            let mut connection = dial(&identity, sentinel, None).await?;
            query(&mut connection, cmd("SENTINEL").arg("get-master-addr-by-name").arg(master)).await
        };
        match asked.await {
            Ok(Value::Nil) => {
                last = ClientError::new(Kind::Refused, format!("knows no master {master:?}")).at(sentinel);
            }
            Ok(address) => {
                let (host, port): (String, u16) = from_value(address)?;
                return Ok(Endpoint::Tcp(host, port));
            }
            Err(error) => last = error.at(sentinel),
        }
    }
    Err(last)
}

async fn dial_first(
    options: &ClientOptions,
    endpoints: &[Endpoint],
    handler: Option<PushHandler>,
) -> Result<(MultiplexedConnection, Endpoint), ClientError> {
    let mut last = ClientError::closed();
    for endpoint in endpoints {
        match dial(options, endpoint, handler.clone()).await {
            Ok(connection) => return Ok((connection, endpoint.clone())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn dial(
    options: &ClientOptions,
    endpoint: &Endpoint,
    handler: Option<PushHandler>,
) -> Result<MultiplexedConnection, ClientError> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(options.connect_timeout_ms)))
        .set_response_timeout(Some(Duration::from_millis(RESPONSE_TIMEOUT_MS)));
    if let Some(handler) = handler {
        config = config.set_push_sender(move |info| {
            handler(info);
            Ok::<(), ()>(())
        });
    }
    if let (Endpoint::Tcp(host, _), Some(Tls { server_name: Some(_), .. })) = (endpoint, &options.tls) {
        config = config.set_dns_resolver(Alias(host.clone()));
    }
    let connected = async {
        let info = connection_info(options, endpoint)?;
        let client = match &options.tls {
            Some(tls) if matches!(endpoint, Endpoint::Tcp(..)) => Client::build_with_tls(info, certificates(tls))?,
            _ => Client::open(info)?,
        };
        let dialled = client.get_multiplexed_async_connection_with_config(&config).await;
        dialled.map_err(|error| {
            if error.is_timeout() {
                ClientError::timed_out("connecting", options.connect_timeout_ms)
            } else {
                error.into()
            }
        })
    };
    connected.await.map_err(|error| error.at(endpoint))
}

fn connection_info(options: &ClientOptions, endpoint: &Endpoint) -> Result<ConnectionInfo, ClientError> {
    let address = match (endpoint, &options.tls) {
        (Endpoint::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Endpoint::Tcp(host, port), Some(tls)) => ConnectionAddr::TcpTls {
            host: tls.server_name.clone().unwrap_or_else(|| host.clone()),
            port: *port,
            insecure: tls.accept_any,
            tls_params: None,
        },
        (Endpoint::Unix(path), _) => ConnectionAddr::Unix(PathBuf::from(path)),
    };
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("atrion", env!("CARGO_PKG_VERSION"))
        .set_db(options.db);
    if let Some(username) = &options.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password);
    }
    let info = address.into_connection_info()?;
    Ok(info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client_tls = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: cert.clone(), client_key: key.clone() }),
        _ => None,
    };
    TlsCertificates { client_tls, root_cert: tls.ca.clone() }
}

/// Resolves whatever name the certificate is for to the host that is meant.
struct Alias(String);

impl AsyncDNSResolver for Alias {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        _: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((self.0.as_str(), port)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// From an answer to `CLUSTER SLOTS`: first and last slot of every range, and its master.
fn parse_slots(answer: &Value, asked: &Endpoint) -> Vec<(u16, u16, Endpoint)> {
    let Value::Array(ranges) = answer else { return Vec::new() };
    let parse = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = &parts[..] else { return None };
        let [host, Value::Int(port), ..] = &master[..] else { return None };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() && host != b"?" => String::from_utf8(host.clone()).ok()?,
            // A node that does not know its own address means the one it was reached at.
            _ => match asked {
                Endpoint::Tcp(host, _) => host.clone(),
                Endpoint::Unix(_) => return None,
            },
        };
        Some((u16::try_from(*from).ok()?, u16::try_from(*to).ok()?, Endpoint::Tcp(host, u16::try_from(*port).ok()?)))
    };
    ranges.iter().filter_map(parse).collect()
}

fn masters_of(ranges: &[(u16, u16, Endpoint)]) -> Vec<Endpoint> {
    let mut masters: Vec<Endpoint> = Vec::new();
    for (_, _, master) in ranges {
        if !masters.contains(master) {
            masters.push(master.clone());
        }
    }
    masters
}

fn from_value<T: redis::FromRedisValue>(value: Value) -> Result<T, ClientError> {
    redis::from_redis_value(value).map_err(|error| ClientError::new(Kind::Refused, error.to_string()))
}

/// Runs a command; an answer that is an error is one.
pub async fn query(connection: &mut MultiplexedConnection, command: &mut Cmd) -> Result<Value, ClientError> {
    Ok(command.query_async(connection).await?)
}

impl Store {
    /// Runs a command where its key is.
    pub async fn run<T: redis::FromRedisValue>(&mut self, command: &Cmd) -> Result<T, ClientError> {
        Ok(match self {
            Self::One(connection) => command.query_async(connection).await?,
            Self::Cluster(connection, _) => command.query_async(connection).await?,
        })
    }

    /// Runs commands; in a cluster, all of them have to be for one slot.
    pub async fn run_all<T: redis::FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, ClientError> {
        Ok(match self {
            Self::One(connection) => commands.query_async(connection).await?,
            Self::Cluster(connection, _) => commands.query_async(connection).await?,
        })
    }

    /// Runs a command on one of [`Store::parts`].
    pub async fn run_on<T: redis::FromRedisValue>(&mut self, part: usize, command: Cmd) -> Result<T, ClientError> {
        let value = match self {
            Self::One(connection) => connection.req_packed_command(&command).await?,
            Self::Cluster(connection, masters) => {
                let Some(Endpoint::Tcp(host, port)) = masters.get(part).cloned() else {
                    return Err(ClientError::closed());
                };
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                connection.route_command(command, route).await?
            }
        };
        from_value(value.extract_error()?)
    }

    /// Asks which servers have a part of the keys now: another one may have taken over.
    pub async fn survey(&mut self) -> Result<(), ClientError> {
        if let Self::Cluster(connection, masters) = self {
            let slots: Value = cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
            if let Some(asked) = masters.first().cloned() {
                *masters = masters_of(&parse_slots(&slots, &asked)).into();
            }
        }
        Ok(())
    }

    /// The number of servers that have a part of the keys.
    #[must_use]
    pub fn parts(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Cluster(_, masters) => masters.len(),
        }
    }

    /// Can commands for several keys go out at once?
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self, Self::One(_))
    }
}
