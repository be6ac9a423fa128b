//! The hashes in which every node keeps its own state; see [`super::record`] for what is in them.
//!
//! Reading is by SCAN and HSCAN in batches, never by KEYS, and never more than `max_routes`; the size of a hash is read
//! before its content. A store that holds more, or something else, or was written by an attacker, costs time but
//! not memory.
//!
//! Beside the hashes there may be what atrion 2.0 wrote: a string of JSON for every route, `<prefix><route>`. It is read, and
//! left as it is.
//!
//! One file, because what is written and what is read are the same hashes.

use std::collections::BTreeMap;

use redis::{Cmd, Pipeline, RedisResult, Value, cmd, pipe};

use super::{
    connect::Store,
    document,
    error::{ClientError, Kind},
    record::{LEGACY, Record, Records, SHARDS, hash_key, parse_hash_key, shard_of},
    shared::{Shared, unix_ms},
    stats::{Counters, count},
    write_buffer::Batch,
};
use crate::{
    replication::{
        NodeId, RouteKey,
        peers::{MAX_NODES, MAX_REPORTS_PER_ROUTE},
        seal::Field,
    },
    units::Millis,
};

/// Keys or fields that a scan looks at in one step.
const STEP: usize = 1000;
/// Hashes scanned at once.
const WIDTH: usize = 16;
/// The size that one step of a scan is to bring, bytes.
const STEP_BYTES: u64 = 128 << 10;
/// Bytes of a hash that is read: so many a route, and so many beside.
const ROUTE_BYTES: u64 = 1 << 10;
const SPARE_BYTES: u64 = 1 << 20;
/// Keys of atrion 2.0 looked at in one step.
const LEGACY_STEP: usize = 256;
/// Longest value of atrion 2.0 that is read, bytes.
const LEGACY_BYTES: usize = 1024;
/// Longer names than any route has are skipped, bytes.
const MAX_NAME_BYTES: usize = 1 << 16;
/// The most hashes read: those of as many nodes as are kept.
const MAX_HASHES: usize = MAX_NODES * SHARDS as usize;

/// The place of one node's state.
pub struct Place<'a> {
    /// The prefix of every key.
    pub prefix: &'a str,
    /// The node, and its keys.
    pub shared: &'a Shared,
    /// The expiry, ms.
    pub expire_ms: u64,
}

/// Writes what a node says; each hash in one step with its expiry. Returns the bytes of names and values.
pub async fn write(store: &mut Store, place: &Place<'_>, batch: &Batch) -> Result<usize, ClientError> {
    let node = place.shared.node;
    let mut shards: BTreeMap<u8, (Cmd, Cmd)> = BTreeMap::new();
    let mut bytes = 0;
    for (shard, name, record) in &batch.writes {
        let (set, _) = shards.entry(*shard).or_default();
        if set.args_iter().len() == 0 {
            set.arg("HSET").arg(hash_key(place.prefix, node, *shard));
        }
        let value = place.shared.encode_record(&Field { node, shard: *shard, name }, record);
        bytes += name.len() + value.len();
        set.arg(&name[..]).arg(value);
    }
    for (shard, name) in &batch.removals {
        let (_, remove) = shards.entry(*shard).or_default();
        if remove.args_iter().len() == 0 {
            remove.arg("HDEL").arg(hash_key(place.prefix, node, *shard));
        }
        remove.arg(&name[..]);
        bytes += name.len();
    }
    let mut commands = pipe();
    for (shard, (set, remove)) in shards {
        // A route that was reset and used again is removed first.
        if remove.args_iter().len() > 0 {
            commands.add_command(remove).ignore();
        }
        if set.args_iter().len() > 0 {
            commands.add_command(set).ignore();
            let key = hash_key(place.prefix, node, shard);
            commands.cmd("PEXPIRE").arg(key).arg(place.expire_ms).ignore();
        }
        if !store.is_one() {
            store.run_all::<Value>(&commands).await?;
            commands = pipe();
        }
    }
    if !commands.is_empty() {
        store.run_all::<Value>(&commands).await?;
    }
    Ok(bytes)
}

/// The records under a prefix.
#[derive(Default)]
pub struct Keys {
    /// The nodes that have written anything, and their hashes.
    pub hashes: Vec<(NodeId, u8)>,
    /// Names of routes under keys that may be those of atrion 2.0.
    pub legacy: Vec<Vec<u8>>,
}

/// Finds what is stored under a prefix; of old keys at most `max_legacy`.
pub async fn scan(store: &mut Store, prefix: &str, max_legacy: usize) -> Result<Keys, ClientError> {
    let pattern = format!("{}*", escape(prefix));
    let Keys { hashes: mut found, mut legacy } = Keys::default();
    store.survey().await?;
    for part in 0..store.parts() {
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = store.run_on(part, scan).await?;
            for key in keys {
                if let Some(hash) = parse_hash_key(prefix, &key) {
                    found.push(hash);
                } else if document::is_key(prefix, &key) {
                    // Read by its name only.
                } else if legacy.len() < max_legacy
                    && let Some(name) = key.strip_prefix(prefix.as_bytes())
                    && (1..=MAX_NAME_BYTES).contains(&name.len())
                {
                    legacy.push(name.to_vec());
                }
            }
            cursor = next;
            if cursor == 0 || found.len() >= MAX_HASHES {
                break;
            }
        }
    }
    found.truncate(MAX_HASHES);
    // A scan may name a key twice.
    found.sort_unstable();
    found.dedup();
    legacy.sort_unstable();
    legacy.dedup();
    Ok(Keys { hashes: found, legacy })
}

/// A hash as large as one that a node wrote.
struct Sized {
    node: NodeId,
    shard: u8,
    /// Fields that a scan looks at in one step.
    step: u64,
}

/// Asks how large hashes are, and leaves out those that no node writes: with more routes than there may be, or so many bytes a
/// route that there is something else in it.
async fn size(
    store: &mut Store,
    prefix: &str,
    hashes: &[(NodeId, u8)],
    max_routes: usize,
    counters: &Counters,
) -> Result<Vec<Sized>, ClientError> {
    let key_of = |(node, shard): &(NodeId, u8)| hash_key(prefix, *node, *shard);
    let lengths = hashes.iter().map(|hash| cmd("HLEN").arg(key_of(hash)).take()).collect();
    let lengths: Vec<Option<u64>> = run_each(store, lengths).await?;
    let counted: Vec<_> = hashes
        .iter()
        .zip(lengths)
        .filter_map(|(hash, length)| match length {
            Some(0) => None,
            Some(fields) if fields <= max_routes.max(STEP) as u64 => Some((hash, fields)),
            // No hash, or a user who may not ask: the scan will tell.
            None => Some((hash, STEP as u64)),
            Some(_) => {
                count(&counters.dropped_records, 1);
                None
            }
        })
        .collect();
    let usages = counted
        .iter()
        .map(|(hash, _)| cmd("MEMORY").arg("USAGE").arg(key_of(hash)).arg("SAMPLES").arg(0).take())
        .collect();
    let usages: Vec<Option<Option<u64>>> = run_each(store, usages).await?;
    let sized = counted.into_iter().zip(usages).filter_map(|((&(node, shard), fields), usage)| {
        // Unless the server names it, as large as the largest that is read.
        let limit = SPARE_BYTES + fields * ROUTE_BYTES;
        let bytes = usage.flatten().unwrap_or(limit).max(1);
        if bytes > limit {
            count(&counters.dropped_records, 1);
            return None;
        }
        let step = (fields.saturating_mul(STEP_BYTES) / bytes).clamp(1, STEP as u64);
        Some(Sized { node, shard, step })
    });
    Ok(sized.collect())
}

/// Reads what atrion 2.0 stored of these routes: one node's word each, as old as its key was left alone. Keys that are
/// something else, or too long, are skipped, and all are left as they are.
pub async fn read_legacy(
    store: &mut Store,
    prefix: &str,
    names: &[Vec<u8>],
    counters: &Counters,
    mut take: impl FnMut(NodeId, &[u8], Record) -> usize,
) -> Result<(), ClientError> {
    let key_of = |name: &Vec<u8>| [prefix.as_bytes(), name].concat();
    for names in names.chunks(LEGACY_STEP) {
        // Its length counts as a use of the key, so how long it was unused is asked first.
        let idle = names.iter().map(|name| cmd("OBJECT").arg("IDLETIME").arg(key_of(name)).take()).collect();
        let idle: Vec<Option<Option<u64>>> = run_each(store, idle).await?;
        let lengths = names.iter().map(|name| cmd("STRLEN").arg(key_of(name)).take()).collect();
        let lengths: Vec<Option<usize>> = run_each(store, lengths).await?;
        let short: Vec<_> = names
            .iter()
            .zip(idle)
            .zip(lengths)
            .filter(|(_, length)| length.is_some_and(|bytes| (2..=LEGACY_BYTES).contains(&bytes)))
            .map(|((name, idle), _)| (name, idle.flatten().unwrap_or(0)))
            .collect();
        let gets = short.iter().map(|(name, _)| cmd("GET").arg(key_of(name)).take()).collect();
        let values: Vec<Option<Option<Vec<u8>>>> = run_each(store, gets).await?;
        let now_ms = unix_ms();
        for ((name, idle_s), value) in short.into_iter().zip(values) {
            let record = value.flatten().and_then(|json| Record::of_legacy(&json, now_ms - idle_s as Millis * 1e3));
            match record {
                Some(record) => drop(take(LEGACY, name, record)),
                None => count(&counters.dropped_records, 1),
            }
        }
    }
    Ok(())
}

/// Reads the content of hashes into `records`, of at most `max_routes` routes. What has been read when it ends early,
/// by an error or because the future is dropped, has been read.
pub async fn read(
    store: &mut Store,
    prefix: &str,
    hashes: &[(NodeId, u8)],
    max_routes: usize,
    shared: &Shared,
    mut take: impl FnMut(NodeId, &[u8], Record) -> usize,
) -> Result<(), ClientError> {
    let counters = &shared.counters;
    for hashes in hashes.chunks(WIDTH) {
        let sized = size(store, prefix, hashes, max_routes, counters).await?;
        let mut open: Vec<(Sized, u64)> = sized.into_iter().map(|hash| (hash, 0)).collect();
        while !open.is_empty() {
            let scans: Vec<Cmd> = open
                .iter()
                .map(|(hash, cursor)| {
                    let key = hash_key(prefix, hash.node, hash.shard);
                    cmd("HSCAN").arg(key).arg(*cursor).arg("COUNT").arg(hash.step).take()
                })
                .collect();
            let answers: Vec<Option<(u64, Vec<Vec<u8>>)>> = run_each(store, scans).await?;
            let mut known = 0;
            for ((hash, cursor), answer) in open.iter_mut().zip(answers) {
                let Some((next, fields)) = answer else {
                    count(&counters.dropped_records, 1);
                    *cursor = 0;
                    continue;
                };
                *cursor = next;
                for pair in fields.chunks_exact(2) {
                    let [name, value] = pair else { continue };
                    if name.len() > MAX_NAME_BYTES {
                        count(&counters.dropped_records, 1);
                    } else if let Some(record) =
                        shared.decode_record(&Field { node: hash.node, shard: hash.shard, name }, value)
                    {
                        known = take(hash.node, name, record);
                    }
                }
            }
            if known >= max_routes {
                return Ok(());
            }
            open.retain(|(_, cursor)| *cursor != 0);
        }
    }
    Ok(())
}

/// Puts a record among what is known of its route, of at most so many routes.
pub fn keep(records: &mut Records, max_routes: usize, node: NodeId, name: &[u8], record: Record) {
    if let Some(known) = records.get_mut(name) {
        if let Some((_, own)) = known.iter_mut().find(|(other, _)| *other == node) {
            *own = record;
        } else if known.len() < MAX_REPORTS_PER_ROUTE {
            known.push((node, record));
        } else if let Some(eldest) = known.iter_mut().min_by(|a, b| a.1.at_unix_ms.total_cmp(&b.1.at_unix_ms))
            && eldest.1.at_unix_ms < record.at_unix_ms
        {
            *eldest = (node, record);
        }
    } else if records.len() < max_routes {
        records.insert(name.into(), vec![(node, record)]);
    }
}

/// The records that these nodes have stored of a route.
pub async fn get(
    store: &mut Store,
    prefix: &str,
    nodes: &[NodeId],
    name: &[u8],
    shared: &Shared,
) -> Result<Vec<(NodeId, Record)>, ClientError> {
    let shard = shard_of(RouteKey::of(name));
    let gets = nodes.iter().map(|node| cmd("HGET").arg(hash_key(prefix, *node, shard)).arg(name).take()).collect();
    let values: Vec<Option<Option<Vec<u8>>>> = run_each(store, gets).await?;
    let decode = |(node, value): (&NodeId, Option<Option<Vec<u8>>>)| {
        let record = shared.decode_record(&Field { node: *node, shard, name }, &value??)?;
        Some((*node, record))
    };
    Ok(nodes.iter().zip(values).filter_map(decode).collect())
}

/// Removes a route, whoever stored it.
pub async fn delete(store: &mut Store, prefix: &str, nodes: &[NodeId], name: &[u8]) -> Result<(), ClientError> {
    let shard = shard_of(RouteKey::of(name));
    for node in nodes {
        store.run::<u64>(cmd("HDEL").arg(hash_key(prefix, *node, shard)).arg(name)).await?;
    }
    Ok(())
}

/// One answer for every command, or nothing where the server refused this one: a key that is no hash must not hide the
/// others.
async fn run_each<T: redis::FromRedisValue>(
    store: &mut Store,
    commands: Vec<Cmd>,
) -> Result<Vec<Option<T>>, ClientError> {
    if store.is_one() {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let answers: Vec<RedisResult<T>> = store.run_all(pipeline.ignore_errors()).await?;
        return Ok(answers.into_iter().map(Result::ok).collect());
    }
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        answers.push(match store.run(&command).await {
            Ok(answer) => Some(answer),
            Err(error) if error.kind == Kind::Refused => None,
            Err(error) => return Err(error),
        });
    }
    Ok(answers)
}

/// A prefix that matches itself and nothing else.
fn escape(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len());
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
