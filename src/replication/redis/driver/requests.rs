//! The requests of the client's callers.

use std::sync::Arc;

use redis::cmd;

use super::{Completion, Driver};
use crate::replication::{
    NodeId, RouteKey, RouteName,
    redis::{
        connect::query,
        error::ClientError,
        queries,
        record::Record,
        request::{Reply, Request},
        shared::unix_ms,
        store,
    },
};

impl Driver {
    /// Serves a request, now or when the server has answered. Without a session it is dropped, which answers it.
    pub(super) fn serve(&mut self, request: Request) {
        if let Request::Watch(name, on) = request {
            self.watches.watch(name, on);
            self.look_up_watched();
            return;
        }
        if let Request::Delete(name, _) = &request {
            // Reports until now are forgotten as well; without a session, too, or the next would publish it again.
            self.take_outgoing();
            self.buffer.forget(RouteKey::of(name), name.clone());
        }
        let Some(session) = self.session.clone() else { return };
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        match request {
            Request::Update(name, record, reply) => {
                let key = RouteKey::of(&name);
                self.buffer.note(key, &name, Record { at_unix_ms: unix_ms(), ..record }, self.now_ms());
                self.writer.prioritise(&mut self.buffer, key, reply);
                self.write(false);
            }
            Request::Get(..) | Request::Delete(..) => {
                let mut bus = session.bus;
                self.tasks.spawn(async move {
                    let answered = query(&mut bus, &mut cmd("PING")).await.map(drop);
                    Completion::Synced(generation, request, answered)
                });
            }
            Request::List(reply) => {
                let mut store = session.store;
                self.tasks.spawn(async move {
                    let listed = queries::list(&mut store, &options, &shared).await;
                    let error = listed.as_ref().err().cloned();
                    reply.send(listed);
                    Completion::Answered(generation, error)
                });
            }
            Request::Document(request) => self.serve_document(session, request),
            Request::Watch(..) | Request::Close(_) => {}
        }
    }

    /// Serves a request about a route in the store, of all nodes that may have stored it, once all that was published before was received.
    pub(super) fn synced(&mut self, generation: u64, request: Request, answered: Result<(), ClientError>) {
        if let Err(error) = answered {
            match request {
                Request::Get(_, reply) => reply.send(Err(error.clone())),
                Request::Delete(_, reply) => reply.send(Err(error.clone())),
                _ => {}
            }
            return self.session_failed(generation, Some(error));
        }
        match request {
            Request::Get(name, reply) => self.read(generation, name, reply),
            Request::Delete(name, reply) => self.delete(generation, name, reply),
            _ => {}
        }
    }

    fn read(&mut self, generation: u64, name: RouteName, reply: Reply<Option<Record>>) {
        let Some(session) = &self.session else { return };
        let key = RouteKey::of(&name);
        // A record is read from the store: another node may have removed it.
        let own = self.buffer.record(key).filter(|_| self.buffer.is_unstored(key));
        let (mut store, nodes) = (session.store.clone(), self.nodes());
        let (options, shared) = (self.options.clone(), self.shared.clone());
        self.tasks.spawn(async move {
            let found = queries::get(&mut store, &options, &shared, &nodes, &name, own).await;
            let error = found.as_ref().err().cloned();
            reply.send(found);
            Completion::Answered(generation, error)
        });
    }

    fn delete(&mut self, generation: u64, name: RouteName, reply: Reply<()>) {
        let Some(session) = &self.session else { return };
        let (mut store, nodes, options) = (session.store.clone(), self.nodes(), self.options.clone());
        self.tasks.spawn(async move {
            let deleted = store::delete(&mut store, &options.key_prefix, &nodes, &name).await;
            reply.send(deleted.clone());
            Completion::Answered(generation, deleted.err())
        });
    }

    /// Starts as many look-ups of watched routes as may be under way.
    pub(super) fn look_up_watched(&mut self) {
        let Some(session) = &self.session else { return self.watches.discard_queued() };
        while let Some(look_up) = self.watches.next() {
            let (mut store, generation) = (session.store.clone(), self.generation);
            let (options, shared) = (self.options.clone(), Arc::clone(&self.shared));
            self.tasks.spawn(async move {
                let found = queries::exact(&mut store, &options, &shared, &look_up).await;
                Completion::LookedUp(generation, look_up.key, found)
            });
        }
    }

    /// The ids of this node and of the others that were seen.
    fn nodes(&self) -> Vec<NodeId> {
        self.subscriber.nodes().chain([self.shared.node]).collect()
    }
}
