//! The Redis client for JavaScript: options in, promises and events out.
//!
//! Promises are settled from the client's thread. A pending one keeps the process alive, as any work under way does; the client
//! itself and its events never do.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use napi::{
    Env, JsString, Result, Status,
    bindgen_prelude::{Buffer, FnArgs, Function, Object, Utf16String},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use parking_lot::Mutex;

use super::{
    panics,
    redis_options::{RedisLinkOptions, RedisLinkStats},
};
use crate::{
    engine::Name,
    replication::redis::{ClientError, Event, Record, Reply, State},
    replication::{
        NodeId, Outbox, RouteName, Transport, redis,
        transfer::{self, Outgoing},
    },
};

type Listener = ThreadsafeFunction<JsEvent, (), FnArgs<(String, Utf16String, Vec<f64>)>, Status, false, true>;

/// An event for JavaScript.
enum JsEvent {
    /// The kind of event, and why.
    Health(&'static str, String),
    /// The route that this node reported; the newest record is in [`Changes`].
    Changed(RouteName, NodeId),
    /// The document that a node wrote.
    Written(String),
}

/// The newest record of every node on every watched route that JavaScript has not been called with yet. There is one call for
/// each, so a busy JavaScript thread finds as many calls as there are records here and no more.
type Changes = Mutex<HashMap<(RouteName, NodeId), Record>>;

/// The names of documents that JavaScript has not been called with yet.
type Written = Mutex<HashSet<String>>;

/// The most records that wait for JavaScript.
const MAX_CHANGES: usize = 65_536;
/// The most names of documents that do.
const MAX_WRITTEN: usize = 4096;

/// Returns whether JavaScript is to be called: not where a call is under way already, nor where too many are.
fn note_change(changes: &Changes, name: &RouteName, node: NodeId, record: Record) -> bool {
    let mut changes = changes.lock();
    let is_full = changes.len() >= MAX_CHANGES;
    match changes.entry((name.clone(), node)) {
        Entry::Occupied(mut known) => {
            known.insert(record);
            false
        }
        Entry::Vacant(place) if !is_full => {
            place.insert(record);
            true
        }
        Entry::Vacant(_) => false,
    }
}

/// Returns whether JavaScript is to be called with the name of a document: not where a call is under way already.
fn note_written(written: &Written, name: &str) -> bool {
    let mut written = written.lock();
    written.len() < MAX_WRITTEN && written.insert(name.into())
}

/// The arguments of a call.
fn arguments(event: JsEvent, changes: &Changes, written: &Written) -> FnArgs<(String, Utf16String, Vec<f64>)> {
    let (kind, detail, cells) = match event {
        JsEvent::Health(kind, reason) => (kind, Utf16String::from(reason), Vec::new()),
        JsEvent::Written(name) => {
            written.lock().remove(&name);
            ("written", Utf16String::from(name), Vec::new())
        }
        JsEvent::Changed(name, node) => {
            let record = changes.lock().remove(&(name.clone(), node));
            let name = Name::from_shared(name).map(|name| Utf16String::from(name.to_utf16()));
            match (name, record) {
                (Some(name), Some(record)) => ("changed", name, report_cells(node, &record)),
                // No route has an empty name: it is ignored.
                _ => ("changed", Utf16String::from(String::new()), vec![0.0; 7]),
            }
        }
    };
    (kind.to_string(), detail, cells).into()
}

/// A client that replicates over Redis.
#[napi(js_name = "RedisLink")]
pub struct RedisClient {
    pub(super) client: Arc<redis::RedisClient>,
}

#[napi]
impl RedisClient {
    /// A client that is not connected yet.
    #[napi(catch_unwind, constructor)]
    pub fn new(options: RedisLinkOptions) -> Result<Self> {
        panics::keep();
        Ok(Self { client: Arc::new(redis::RedisClient::new(options.into_options()?)) })
    }

    /// Takes over what an engine's link has for the store.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn deposit(&self, outgoing: Buffer) -> Result<()> {
        let outgoing = Outgoing::decode(&outgoing)
            .ok_or_else(|| napi::Error::new(Status::InvalidArg, "outgoing must be bytes of an engine's link"))?;
        let (mailbox, Outbox { reports, requested }) = (self.client.mailbox(), outgoing.outbox);
        mailbox.set_decay_per_ms(outgoing.decay_per_ms);
        mailbox.count_dropped(outgoing.dropped as usize);
        mailbox.request(requested);
        mailbox.send(reports);
        Ok(())
    }

    /// Takes what peers reported, for an engine's link; null where nothing came.
    #[napi(catch_unwind)]
    pub fn received(&self) -> Option<Buffer> {
        let received = self.client.mailbox().take_received();
        (!received.is_empty()).then(|| transfer::encode_received(&received).into())
    }

    /// Takes what was loaded from the store, for an engine's link, once; null before and after.
    #[napi(catch_unwind)]
    pub fn loaded(&self) -> Option<Buffer> {
        self.client.take_loaded().map(|loaded| transfer::encode_loaded(&loaded).into())
    }

    /// Connects, subscribes and loads.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn connect<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        promise(env, |()| (), |reply| self.client.connect(reply))
    }

    /// Publishes and stores what is not, and ends the client's thread.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn disconnect<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        promise(env, |()| (), |reply| self.client.disconnect(reply))
    }

    /// Scar, momentum, ticks and resistance of a route, or null.
    #[napi(catch_unwind, ts_return_type = "Promise<number[] | null>")]
    pub fn get_vector<'env>(&self, env: &'env Env, route_id: JsString) -> Result<Object<'env>> {
        let name = name_of(route_id)?;
        promise(env, |record: Option<Record>| record.map(|record| cells(&record)), |reply| self.client.get(name, reply))
    }

    /// Writes a route and publishes it.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn update_vector<'env>(
        &self,
        env: &'env Env,
        route_id: JsString,
        scar: f64,
        momentum: f64,
        ticks: f64,
        resistance: f64,
    ) -> Result<Object<'env>> {
        let record = Record { scar, resistance, momentum, ticks, ..Record::default() };
        let name = name_of(route_id)?;
        promise(env, |()| (), |reply| self.client.update(name, record, reply))
    }

    /// Removes a route, of all nodes.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn delete_vector<'env>(&self, env: &'env Env, route_id: JsString) -> Result<Object<'env>> {
        let name = name_of(route_id)?;
        promise(env, |()| (), |reply| self.client.delete(name, reply))
    }

    /// The names of all routes.
    #[napi(catch_unwind, ts_return_type = "Promise<string[]>")]
    pub fn list_routes<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let names = |names: Vec<RouteName>| -> Vec<Utf16String> {
            // They may not have been written by Atrion.
            let names = names.into_iter().filter_map(Name::from_shared);
            names.map(|name| Utf16String::from(name.to_utf16())).collect()
        };
        promise(env, names, |reply| self.client.list(reply))
    }

    /// Emits 'changed' when another node reports this route, or no longer.
    #[napi(catch_unwind)]
    pub fn watch(&self, route_id: JsString, on: bool) -> Result<()> {
        self.client.watch(name_of(route_id)?, on);
        Ok(())
    }

    /// Sets the callback of events: 'degraded' and why, 'restored', 'written' and a document's name, 'changed', the route and its
    /// cells as those of `getVector`. In place of the callback before.
    #[napi(catch_unwind, ts_args_type = "callback: (kind: string, detail: string, cells: number[]) => void")]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn on_event(&self, callback: Function<'_, FnArgs<(String, Utf16String, Vec<f64>)>, ()>) -> Result<()> {
        let (changes, written) = (Arc::new(Changes::default()), Arc::new(Written::default()));
        let (newest, named) = (changes.clone(), written.clone());
        let callback: Listener = callback
            .build_threadsafe_function::<JsEvent>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |context| {
                let event = panics::caught(|| arguments(context.value, &newest, &named));
                // No route has an empty name: it is ignored.
                Ok(event.unwrap_or_else(|| ("changed".into(), Utf16String::from(String::new()), vec![0.0; 7]).into()))
            })?;
        self.client.on_event(Box::new(move |event| {
            let event = match event {
                Event::Degraded(reason) => JsEvent::Health("degraded", reason),
                Event::Restored => JsEvent::Health("restored", String::new()),
                Event::Written(name) => {
                    if !note_written(&written, &name) {
                        return;
                    }
                    JsEvent::Written(name)
                }
                Event::Changed(name, node, record) => {
                    if !note_change(&changes, &name, node, record) {
                        return;
                    }
                    JsEvent::Changed(name, node)
                }
            };
            // No call arrives when the thread of JavaScript is ending.
            let _ = callback.call(event, ThreadsafeFunctionCallMode::NonBlocking);
        }));
        Ok(())
    }

    /// The counters.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn stats(&self) -> RedisLinkStats {
        let stats = self.client.stats();
        let state = match self.client.state() {
            State::Closed => "closed",
            State::Connecting => "connecting",
            State::Healthy => "healthy",
            State::Degraded => "degraded",
        };
        RedisLinkStats {
            state: state.into(),
            sent_messages: stats.sent_messages as f64,
            sent_bytes: stats.sent_bytes as f64,
            sent_routes: stats.sent_reports as f64,
            stored_routes: stats.stored_routes as f64,
            stored_bytes: stats.stored_bytes as f64,
            received_messages: stats.received_messages as f64,
            received_bytes: stats.received_bytes as f64,
            received_routes: stats.received_reports as f64,
            dropped_malformed: stats.dropped_malformed as f64,
            dropped_oversized: stats.dropped_oversized as f64,
            dropped_future: stats.dropped_future as f64,
            dropped_records: stats.dropped_records as f64,
            dropped_unsigned: stats.dropped_unsigned as f64,
            dropped_forged: stats.dropped_forged as f64,
            dropped_replayed: stats.dropped_replayed as f64,
            dropped_strangers: stats.dropped_strangers as f64,
            dropped_routes: stats.dropped_reports as f64,
            loaded_routes: stats.loaded_routes as f64,
            reconnects: stats.reconnects as f64,
            nodes: stats.nodes as f64,
            pending_routes: stats.pending_routes as f64,
        }
    }
}

fn name_of(route_id: JsString) -> Result<RouteName> {
    // N-API ends a string with a NUL of its own, and counts it.
    let units = route_id.into_utf16()?;
    Ok(Name::from_utf16(units.split_last().map_or(&[], |(_, name)| name)).shared())
}

/// The vector, then the recent requests of the node, and its id in two halves.
fn report_cells(node: NodeId, record: &Record) -> Vec<f64> {
    let halves = [node.0 >> 32, node.0 & 0xffff_ffff].map(|half| half as f64);
    [&cells(record)[..], &[record.report().requests], &halves].concat()
}

fn cells(record: &Record) -> Vec<f64> {
    vec![record.scar, record.momentum, record.ticks, record.resistance]
}

/// A promise of the answer to `call`, translated for JavaScript by `translate`.
pub(super) fn promise<T, D>(env: &Env, translate: fn(T) -> D, call: impl FnOnce(Reply<T>)) -> Result<Object<'_>>
where
    T: Send + 'static,
    D: napi::bindgen_prelude::ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred::<D, Box<dyn FnOnce(Env) -> Result<D>>>()?;
    call(Reply::new(move |answer: std::result::Result<T, ClientError>| match answer {
        Ok(value) => deferred.resolve(Box::new(move |_| {
            panics::caught(|| translate(value)).ok_or_else(|| napi::Error::from_reason("the answer could not be read"))
        })),
        Err(error) => deferred.reject(napi::Error::from_reason(error.message)),
    }));
    Ok(promise)
}
