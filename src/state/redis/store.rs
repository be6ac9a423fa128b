//! The hashes in which every node keeps its own state; see [`super::record`] for what is in them.
//!
//! Reading is by SCAN and HSCAN in batches, never by KEYS, and never more than `max_routes`: a store that holds more, or
//! something else, or was written by somebody hostile, costs time but not memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use redis::{Cmd, Pipeline, RedisResult, Value, cmd, pipe};

use super::{
    book::Batch,
    connect::Store,
    error::{Kind, LinkError},
    record::{Record, hash_key, parse_hash_key, shard_of},
    stats::{Counters, count},
};
use crate::{
    state::word::{NodeId, RouteKey},
    units::Millis,
};

/// Keys or fields that a scan looks at in one step.
const STEP: usize = 1000;
/// Hashes scanned at once.
const WIDTH: usize = 16;
/// Longer names than any route has are skipped, bytes.
const MAX_NAME_BYTES: usize = 1 << 16;
/// Most nodes remembered on one route.
const MAX_VOICES: usize = 16;
/// Most hashes looked into: those of 1024 nodes.
const MAX_HASHES: usize = 1024 * super::record::SHARDS as usize;

/// What every node has said of every route.
pub type Records = HashMap<Arc<[u8]>, Vec<(NodeId, Record)>>;

/// Where one node's state is kept.
pub struct Place<'a> {
    /// What every key starts with.
    pub prefix: &'a str,
    /// Whose.
    pub node: NodeId,
    /// For how long, ms.
    pub expire_ms: u64,
}

/// Writes what a node says; each hash in one step with its expiry. Returns the bytes of names and values.
pub async fn write(store: &mut Store, place: &Place<'_>, batch: &Batch) -> Result<usize, LinkError> {
    let mut shards: BTreeMap<u8, (Cmd, Cmd)> = BTreeMap::new();
    let mut bytes = 0;
    for (shard, name, record) in &batch.writes {
        let (set, _) = shards.entry(*shard).or_default();
        if set.args_iter().len() == 0 {
            set.arg("HSET").arg(hash_key(place.prefix, place.node, *shard));
        }
        set.arg(&name[..]).arg(&record.encode()[..]);
        bytes += name.len() + super::record::RECORD_BYTES;
    }
    for (shard, name) in &batch.removals {
        let (_, remove) = shards.entry(*shard).or_default();
        if remove.args_iter().len() == 0 {
            remove.arg("HDEL").arg(hash_key(place.prefix, place.node, *shard));
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
            let key = hash_key(place.prefix, place.node, shard);
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

/// Who has written anything, and into which hashes.
pub async fn hashes(store: &mut Store, prefix: &str) -> Result<Vec<(NodeId, u8)>, LinkError> {
    let pattern = format!("{}*", escape(prefix));
    let mut found = Vec::new();
    store.survey().await?;
    for part in 0..store.parts() {
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = store.run_on(part, scan).await?;
            found.extend(keys.iter().filter_map(|key| parse_hash_key(prefix, key)));
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
    Ok(found)
}

/// Reads what these hashes hold into `records`, of at most `max_routes` routes. What has been read when it ends early,
/// by an error or because the future is dropped, has been read.
pub async fn read(
    store: &mut Store,
    prefix: &str,
    hashes: &[(NodeId, u8)],
    max_routes: usize,
    counters: &Counters,
    mut take: impl FnMut(NodeId, &[u8], Record) -> usize,
) -> Result<(), LinkError> {
    for hashes in hashes.chunks(WIDTH) {
        let mut open: Vec<(NodeId, u8, u64)> = hashes.iter().map(|(node, shard)| (*node, *shard, 0)).collect();
        while !open.is_empty() {
            let scans: Vec<Cmd> = open
                .iter()
                .map(|(node, shard, cursor)| {
                    let mut scan = cmd("HSCAN");
                    scan.arg(hash_key(prefix, *node, *shard)).arg(*cursor).arg("COUNT").arg(STEP).take()
                })
                .collect();
            let answers: Vec<Option<(u64, Vec<Vec<u8>>)>> = run_each(store, scans).await?;
            let mut known = 0;
            for ((node, _, cursor), answer) in open.iter_mut().zip(answers) {
                let Some((next, fields)) = answer else {
                    count(&counters.dropped_records, 1);
                    *cursor = 0;
                    continue;
                };
                *cursor = next;
                for pair in fields.chunks_exact(2) {
                    match Record::decode(&pair[1]) {
                        Some(record) if pair[0].len() <= MAX_NAME_BYTES => known = take(*node, &pair[0], record),
                        _ => count(&counters.dropped_records, 1),
                    }
                }
            }
            if known >= max_routes {
                return Ok(());
            }
            open.retain(|(_, _, cursor)| *cursor != 0);
        }
    }
    Ok(())
}

/// Puts a record among what is known of its route, of at most so many routes.
pub fn keep(records: &mut Records, max_routes: usize, node: NodeId, name: &[u8], record: Record) {
    if let Some(known) = records.get_mut(name) {
        if let Some((_, own)) = known.iter_mut().find(|(other, _)| *other == node) {
            *own = record;
        } else if known.len() < MAX_VOICES {
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

/// What these nodes have stored of a route.
pub async fn get(
    store: &mut Store,
    prefix: &str,
    nodes: &[NodeId],
    name: &[u8],
    counters: &Counters,
) -> Result<Vec<(NodeId, Record)>, LinkError> {
    let shard = shard_of(RouteKey::of(name));
    let gets = nodes.iter().map(|node| cmd("HGET").arg(hash_key(prefix, *node, shard)).arg(name).take()).collect();
    let values: Vec<Option<Option<Vec<u8>>>> = run_each(store, gets).await?;
    let decode = |(node, value): (&NodeId, Option<Option<Vec<u8>>>)| {
        let record = Record::decode(&value??);
        if record.is_none() {
            count(&counters.dropped_records, 1);
        }
        Some((*node, record?))
    };
    Ok(nodes.iter().zip(values).filter_map(decode).collect())
}

/// Removes a route, whoever stored it.
pub async fn delete(store: &mut Store, prefix: &str, nodes: &[NodeId], name: &[u8]) -> Result<(), LinkError> {
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
) -> Result<Vec<Option<T>>, LinkError> {
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

/// How long ago something was said, ms, if clocks are to be believed.
#[must_use]
pub fn age_ms(record: &Record, unix_ms: Millis, expire_ms: Millis) -> Millis {
    (unix_ms - record.at_unix_ms).clamp(0.0, expire_ms)
}
