//! The sessions: opened, lost, opened again, and what they load.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{Completion, Driver};
use crate::{
    replication::redis::{
        error::{ClientError, Kind},
        health::{HealthTransition, SETTLED_MS},
        options::RESPONSE_TIMEOUT_MS,
        request::Event,
        session::{self, Loading, Opened},
        shared::{State, unix_ms},
    },
    units::Millis,
};

/// The time after a session was opened within which what is loaded for the first time is from before it, ms.
const FOUNDING_MS: Millis = 10_000.0;

impl Driver {
    /// Begins to open a session.
    pub(super) fn open(&mut self) {
        self.is_opening = true;
        let handler = self.receiver.of(self.generation);
        let (options, shared, known) = (self.options.clone(), self.shared.clone(), self.known.clone());
        self.tasks.spawn(async move { Completion::Opened(session::open(&options, &shared, &known, handler).await) });
    }

    pub(super) fn opened(&mut self, opened: Opened) {
        let now_ms = self.now_ms();
        self.is_opening = false;
        self.opened_ms = now_ms;
        if !opened.session.known.is_empty() {
            self.known.clone_from(&opened.session.known);
        }
        self.session = Some(opened.session);
        if self.was_opened {
            self.shared.counters.reconnects.fetch_add(1, Relaxed);
            // Peers may have missed it, and the server may have lost it.
            self.buffer.repeat(self.publisher.sent_ms() - RESPONSE_TIMEOUT_MS as Millis);
            self.buffer.store_again();
        }
        self.was_opened = true;
        self.peers.listen(now_ms);
        self.take_loaded(&opened.loaded, now_ms);
        self.publisher.session_opened(now_ms);
        let transition = self.health.connection(None);
        self.report(transition);
        if let Some(reply) = self.connecting.take() {
            reply.send(Ok(()));
        }
        self.take_outgoing();
        self.publish();
        self.store();
    }

    /// Handles a failure to open a session. Err: the thread is to end.
    pub(super) fn not_opened(&mut self, error: ClientError) -> Result<(), ()> {
        self.is_opening = false;
        self.generation += 1;
        if let Some(reply) = self.connecting.take() {
            if self.options.required {
                self.shared.set_state(State::Closed);
                reply.send(Err(error));
                return Err(());
            }
            reply.send(Ok(()));
        }
        self.backoff.fail(self.now_ms());
        let transition = self.health.connection(Some(error.message));
        self.report(transition);
        Ok(())
    }

    /// Takes over what was loaded; what was not is loaded later.
    fn take_loaded(&mut self, loaded: &Loading, now_ms: Millis) {
        let decay_per_ms = self.mailbox.decay_per_ms();
        let is_first = self.loads_left > 0 && now_ms - self.opened_ms <= FOUNDING_MS;
        for message in self.subscriber.load(&loaded.records, &self.shared, decay_per_ms, now_ms) {
            if is_first {
                self.peers.receive_stored(&message, now_ms);
            } else {
                self.peers.receive(&message, now_ms);
            }
        }
        self.deliver();
        if self.loads_left > 0 {
            self.shared.set_loaded(&loaded.records, unix_ms(), self.options.expiry());
            if loaded.complete {
                self.loads_left = 0;
            } else {
                self.loads_left -= 1;
                self.load_backoff.fail(now_ms);
            }
        }
    }

    /// Loads what could not be loaded when the session was opened.
    pub(super) fn load_late(&mut self) {
        let Some(session) = self.session.clone().filter(|_| !self.is_loading && self.loads_left > 0) else { return };
        if self.now_ms() < self.load_backoff.due_ms {
            return;
        }
        self.is_loading = true;
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        self.tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + Duration::from_millis(options.connect_timeout_ms);
            Completion::Loaded(generation, session::load(&options, &shared, &session, deadline).await)
        });
    }

    pub(super) fn loaded(&mut self, generation: u64, loaded: &Loading) {
        self.is_loading = false;
        if generation == self.generation {
            self.take_loaded(loaded, self.now_ms());
        }
    }

    /// Handles an error of the session of that generation; None, and errors of an earlier one, change nothing.
    pub(super) fn session_failed(&mut self, generation: u64, error: Option<ClientError>) {
        let Some(error) = error else { return };
        if generation != self.generation || self.session.is_none() {
            return;
        }
        match error.kind {
            Kind::Refused | Kind::Unreadable | Kind::Closed => {}
            Kind::Moved => {
                // The server says where to go, so that is no trouble unless the next attempt fails.
                self.end_session();
                self.open();
            }
            Kind::Lost => {
                self.end_session();
                let transition = self.health.connection(Some(error.message));
                self.report(transition);
                if self.backoff.due_ms <= self.now_ms() {
                    self.open();
                }
            }
        }
    }

    fn end_session(&mut self) {
        self.session = None;
        self.generation += 1;
        // Replies that wait are answered now, not when there is a connection again.
        self.writer.session_ended();
        self.publisher.session_ended();
        let now_ms = self.now_ms();
        if now_ms - self.opened_ms > SETTLED_MS {
            self.backoff.reset();
        } else {
            // It was short: the next attempt waits.
            self.backoff.fail(now_ms);
        }
    }

    /// Sets the trouble of the store, or that there is none.
    pub(super) fn store_health(&mut self, trouble: Option<String>) {
        let transition = self.health.store(trouble);
        self.report(transition);
    }

    fn report(&mut self, transition: Option<HealthTransition>) {
        self.shared.set_state(if self.health.is_degraded() { State::Degraded } else { State::Healthy });
        match transition {
            Some(HealthTransition::Degraded(reason)) => self.shared.emit(Event::Degraded(reason)),
            Some(HealthTransition::Restored) => self.shared.emit(Event::Restored),
            None => {}
        }
    }
}
