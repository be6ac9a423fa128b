//! Outgoing reports: taken from the mailbox, published and stored.

use super::{Completion, Driver};
use crate::{
    replication::redis::{
        error::{ClientError, Kind},
        publisher,
        record::Record,
        request::Reply,
        shared::unix_ms,
        writer,
    },
    units::Millis,
};

impl Driver {
    /// Publishes what was reported, if the last time that there was something is an interval ago.
    pub(super) fn sync(&mut self) {
        let now_ms = self.now_ms();
        // Two clocks of the same period never tick at exactly the same time.
        if now_ms - self.sync_ms < self.options.interval_ms as Millis * 0.9 {
            return;
        }
        if self.take_outgoing() {
            self.sync_ms = now_ms;
        }
        self.publisher.answer_greetings(&mut self.buffer, now_ms);
        self.publish();
        self.store();
    }

    /// Takes what the deciding thread reported into the buffer; whether there was anything.
    pub(super) fn take_outgoing(&mut self) -> bool {
        let outbox = self.mailbox.take_outgoing();
        let (now_ms, at_ms) = (self.now_ms(), unix_ms());
        let mut evicted = 0;
        for report in &outbox.reports {
            let record = Record::of(&report.report, at_ms);
            evicted += usize::from(self.buffer.note(report.key, &report.name, record, now_ms));
        }
        self.evicted_reports += evicted as u64;
        for key in outbox.requested {
            self.peers.request(key);
        }
        !outbox.reports.is_empty()
    }

    /// Publishes what is due, unless a message is under way.
    pub(super) fn publish(&mut self) {
        let Some(session) = &self.session else { return };
        let (now_ms, decay_per_ms) = (self.now_ms(), self.mailbox.decay_per_ms());
        let Some((message, pending)) = self.publisher.begin(&mut self.buffer, &self.shared, now_ms, decay_per_ms)
        else {
            return;
        };
        let (mut session, options, generation) = (session.clone(), self.options.clone(), self.generation);
        self.tasks.spawn(async move {
            let sent = publisher::send(&mut session, &options.channel, message).await;
            Completion::Published(generation, pending, sent)
        });
    }

    /// Stores what is due, unless a batch is under way.
    pub(super) fn store(&mut self) {
        if self.writer.is_due(self.now_ms()) {
            self.write(false);
        }
    }

    /// Stores what is due, or all that is not stored, unless a batch is under way.
    pub(super) fn write(&mut self, all: bool) {
        let Some(session) = &self.session else { return };
        let now_ms = self.now_ms();
        let Some(pending) = self.writer.begin(&mut self.buffer, now_ms, all) else { return };
        let mut store = session.store.clone();
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        self.tasks.spawn(async move {
            let stored = writer::write(&mut store, &options, &shared, &pending.batch).await;
            Completion::Stored(generation, pending, stored)
        });
    }

    /// Concludes a batch; `done` are the replies whose routes are stored.
    pub(super) fn stored(&mut self, generation: u64, done: Vec<Reply<()>>, error: Option<ClientError>) {
        match error {
            None => {
                for reply in done {
                    self.publisher.announce(reply);
                }
                if self.publisher.is_announcing() {
                    self.publish();
                }
                self.store_health(None);
                if self.writer.has_urgent() {
                    self.store();
                }
            }
            Some(error) if error.kind == Kind::Lost => self.session_failed(generation, Some(error)),
            Some(error) => self.store_health(Some(error.message)),
        }
    }
}
