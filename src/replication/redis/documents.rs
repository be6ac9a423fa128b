//! Documents: small texts that nodes share under a name, each replaced by compare-and-set.
//!
//! ```text
//! key     <prefix>document:<name>
//! fields  version (Unix ms, rising) · ttl (ms; absent: it stays) · text · mac (with a secret)
//! ```
//!
//! Reading and writing are one script each, which takes the server's clock. An expired document is kept for another minute, so that
//! the version of the next one is above its own. With a secret the MAC covers the version, so the node proposes one, by what it
//! knows of the server's clock, and the script refuses a proposal that is half a minute off.
//!
//! Something that cannot be read, as it is no document or has no MAC of a node, counts as none in a write: version 0 replaces it, unless
//! it has become another meanwhile.
//!
//! With a secret a document older than one that this node has read or written is a repetition, or lost by a failover: it is replaced
//! by the newer one, if that is still known.

use redis::cmd;

use super::{
    connect::Store,
    document::{Document, DocumentWrite, MAX_TEXT_BYTES, key_of},
    error::{ClientError, Kind},
    shared::{Shared, unix_ms},
    stats::count,
};
use crate::{
    replication::seal::{DocumentFields, Unproven},
    units::Millis,
};

/// Versions below are exact in f64.
const MAX_VERSION: u64 = 1 << 53;

const READ: &str = "
local clock = redis.call('TIME')
local doc = redis.pcall('HMGET', KEYS[1], 'version', 'ttl', 'text', 'mac')
if doc.err then
  if not string.find(doc.err, 'WRONGTYPE', 1, true) then return doc end
  doc = {'', false, false, false}
end
if doc[3] and #doc[3] > 1048576 then doc[3] = false end
return {clock[1] * 1000 + math.floor(clock[2] / 1000), doc[1], doc[2], doc[3], doc[4]}";

/// Arguments: the version to replace, the new one or 0, the ttl or 0, the text, the MAC or nothing; where something that cannot be read is
/// to be replaced, its field `version` and 1. Returns the clock, the last version, and 1 when it was written, 0 when it has another version,
/// -1 when the new version is refused. A key of another type is deleted by its expiry, which takes no further right.
const WRITE: &str = "
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local doc = redis.pcall('HMGET', KEYS[1], 'version', 'ttl')
if doc.err then
  if not string.find(doc.err, 'WRONGTYPE', 1, true) then return doc end
  if ARGV[7] == '1' and ARGV[6] == '' then redis.call('PEXPIRE', KEYS[1], 0) end
  doc = {'', false}
end
local last, life = tonumber(doc[1] or '0'), tonumber(doc[2] or '0')
if ARGV[7] == '1' then
  if doc[1] ~= ARGV[6] then return {now, 0, 0} end
  if not last or not (last > 0 and last < now + 3600000) then last = 0 end
else
  if not last or not life or not (last < 9007199254740992) then return {now, 0, 0} end
  local version = last
  if life > 0 and now >= last + life then version = 0 end
  if version ~= tonumber(ARGV[1]) then return {now, last, 0} end
end
last = math.floor(last)
local new, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
if new == 0 then
  new = math.max(last + 1, now)
elseif new <= last or new < now - 30000 or new > math.max(last + 1, now + 30000) then
  return {now, last, -1}
end
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', new), 'text', ARGV[4])
if ARGV[5] == '' then redis.call('HDEL', KEYS[1], 'mac') else redis.call('HSET', KEYS[1], 'mac', ARGV[5]) end
if ttl == 0 then
  redis.call('HDEL', KEYS[1], 'ttl')
  redis.call('PERSIST', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'ttl', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(new - now, 0) + ttl + 60000))
end
return {now, new, 1}";

fn unreadable(prefix: &str, name: &str, problem: &str) -> ClientError {
    let key = key_of(prefix, name);
    ClientError::new(
        Kind::Unreadable,
        format!("{problem}: key {key:?}; the next document that is written takes its place"),
    )
}

/// The fields of a document that is there.
struct Stored {
    version: u64,
    ttl_ms: u64,
    text: String,
    mac: Option<Vec<u8>>,
}

type Fields = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// The clock, and the document if there is one.
fn parse(prefix: &str, name: &str, fields: Fields) -> Result<(Millis, Option<Stored>), ClientError> {
    let (now_ms, version, ttl, text, mac) = fields;
    let Some(version) = version else { return Ok((now_ms as Millis, None)) };
    let integer = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok().filter(|n| *n < MAX_VERSION);
    let stored = || {
        let text = String::from_utf8(text?).ok().filter(|text| text.len() <= MAX_TEXT_BYTES)?;
        let ttl_ms = ttl.map_or(Some(0), |ttl| integer(&ttl))?;
        Some(Stored { version: integer(&version).filter(|version| *version > 0)?, ttl_ms, text, mac })
    };
    let stored = stored().ok_or_else(|| unreadable(prefix, name, "it is no document"))?;
    Ok((now_ms as Millis, Some(stored)))
}

impl Stored {
    fn is_expired(&self, now_ms: Millis) -> bool {
        self.ttl_ms > 0 && now_ms >= (self.version + self.ttl_ms) as Millis
    }

    fn verify(&self, prefix: &str, name: &str, shared: &Shared) -> Result<(), ClientError> {
        let Some(keyring) = &shared.keyring else { return Ok(()) };
        let Self { version, ttl_ms, text, mac } = self;
        let fields = DocumentFields { name, version: *version, ttl_ms: *ttl_ms, text };
        let (unproven, problem) = match mac {
            None => (Unproven::Unsigned, "it has no MAC"),
            Some(mac) if !keyring.verify_document(&fields, mac) => {
                (Unproven::Forged, "its MAC is by none of the secrets")
            }
            Some(_) => return Ok(()),
        };
        shared.count_unproven(unproven, 1);
        Err(unreadable(prefix, name, problem))
    }
}

/// Reads a document.
pub(super) async fn read(
    store: &mut Store,
    prefix: &str,
    shared: &Shared,
    name: &str,
) -> Result<Document, ClientError> {
    // A second time where another node restores the document at the same time.
    for _ in 0..2 {
        let fields: Fields = store.run(cmd("EVAL").arg(READ).arg(1).arg(key_of(prefix, name))).await?;
        let (now_ms, stored) =
            parse(prefix, name, fields).inspect_err(|_| count(&shared.counters.dropped_records, 1))?;
        shared.documents.note_clock(now_ms, unix_ms());
        let Some(stored) = stored.filter(|stored| !stored.is_expired(now_ms)) else {
            return Ok(Document { version: 0, text: None, now_ms });
        };
        stored.verify(prefix, name, shared)?;
        if shared.keyring.is_none() {
            return Ok(Document { version: stored.version, text: Some(stored.text), now_ms });
        }
        let Some((newer, ttl_ms, text)) = shared.documents.newer(name, stored.version) else {
            shared.documents.note(name, stored.version, stored.ttl_ms, &stored.text);
            return Ok(Document { version: stored.version, text: Some(stored.text), now_ms });
        };
        count(&shared.counters.dropped_replayed, 1);
        let text = text.ok_or_else(|| unreadable(prefix, name, "it is older than one that was read before"))?;
        let left_ms = (newer + ttl_ms).saturating_sub(now_ms as u64);
        let (text, ttl_ms) = match ttl_ms {
            0 => (text, 0),
            // It had expired: so does this one, at once.
            _ if left_ms == 0 => (String::new(), 1),
            _ => (text, left_ms),
        };
        let order = DocumentWrite { name: name.into(), version: stored.version, text, ttl_ms };
        write_above(store, prefix, shared, &order, newer, None).await?;
    }
    Err(unreadable(prefix, name, "it is older than one that was read before"))
}

/// Writes a document; whether it had the version that was to be replaced.
pub(super) async fn write(
    store: &mut Store,
    prefix: &str,
    shared: &Shared,
    order: &DocumentWrite,
) -> Result<bool, ClientError> {
    let known = shared.documents.newer(&order.name, order.version);
    let least = known.map_or(order.version, |(version, ..)| version);
    if write_above(store, prefix, shared, order, least, None).await? {
        return Ok(true);
    }
    if order.version > 0 {
        return Ok(false);
    }
    // There is something: it is replaced where it cannot be read.
    let fields: Fields = store.run(cmd("EVAL").arg(READ).arg(1).arg(key_of(prefix, &order.name))).await?;
    let Some(version) = fields.1.clone() else { return Ok(false) };
    let is_readable = match parse(prefix, &order.name, fields) {
        // One that is older than one that was read gives way to that, where it is still known.
        Ok((_, Some(stored))) => {
            stored.verify(prefix, &order.name, shared).is_ok()
                && !matches!(shared.documents.newer(&order.name, stored.version), Some((_, _, None)))
        }
        Ok((_, None)) => true,
        Err(_) => false,
    };
    if is_readable {
        return Ok(false);
    }
    write_above(store, prefix, shared, order, least, Some(&version)).await
}

/// Writes a document under a version above `least`; `replaced`: the field `version` of what cannot be read and is to be replaced.
async fn write_above(
    store: &mut Store,
    prefix: &str,
    shared: &Shared,
    order: &DocumentWrite,
    mut least: u64,
    replaced: Option<&[u8]>,
) -> Result<bool, ClientError> {
    let DocumentWrite { name, version, text, ttl_ms } = order;
    // The first proposal of a version finds out about the server's clock.
    for _ in 0..3 {
        let proposed = shared.keyring.as_ref().map(|keyring| {
            let version = shared.documents.server_ms(unix_ms()).max(least + 1);
            (version, keyring.sign_document(&DocumentFields { name, version, ttl_ms: *ttl_ms, text }))
        });
        let (new, mac) = proposed.unwrap_or_default();
        let mut command = cmd("EVAL");
        command.arg(WRITE).arg(1).arg(key_of(prefix, name)).arg(*version).arg(new).arg(*ttl_ms).arg(text).arg(mac);
        if let Some(version) = replaced {
            command.arg(version).arg(1);
        }
        let (now_ms, last, done): (i64, u64, i64) = store.run(&command).await?;
        shared.documents.note_clock(now_ms as Millis, unix_ms());
        if done == 1 && shared.keyring.is_some() {
            shared.documents.note(name, last, *ttl_ms, text);
        }
        if done >= 0 {
            return Ok(done == 1);
        }
        least = least.max(last);
    }
    Err(ClientError::new(Kind::Refused, "the server's clock and the document's version are too far apart"))
}
