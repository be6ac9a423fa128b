//! The publisher: one message an interval with what changed, a heartbeat where nothing did. At most one is under way.

use std::mem;

use redis::cmd;

use super::{
    connect::{Session, query},
    error::{ClientError, Kind},
    request::Reply,
    shared::Shared,
    stats::count,
    write_buffer::WriteBuffer,
};
use crate::{
    replication::{Report, RouteKey, codec::MAX_RECORDS, encode},
    units::Millis,
};

/// A node without changes publishes a heartbeat after this time, ms: it is live to its peers within three seconds.
const HEARTBEAT_MS: Millis = 1000.0;

/// A message that is under way.
pub(super) struct PendingPublish {
    reports: Vec<(RouteKey, Report)>,
    forgotten: Vec<RouteKey>,
    bytes: usize,
    announcing: Vec<Reply<()>>,
}

/// The state of the publisher.
#[derive(Default)]
pub(super) struct Publisher {
    is_publishing: bool,
    /// Replies that are due when what is buffered now was published.
    announcing: Vec<Reply<()>>,
    /// The time at which a message was published last, ms.
    sent_ms: Millis,
    /// True when a peer began to listen and has not been answered.
    was_greeted: bool,
    /// The time at which greetings were answered last, ms; none yet: `None`.
    answered_ms: Option<Millis>,
}

impl Publisher {
    /// The time at which a message was published last, ms.
    pub fn sent_ms(&self) -> Millis {
        self.sent_ms
    }

    /// Returns whether a message is under way.
    pub fn is_publishing(&self) -> bool {
        self.is_publishing
    }

    /// Returns whether replies wait for the next message.
    pub fn is_announcing(&self) -> bool {
        !self.announcing.is_empty()
    }

    /// A session was opened, with a greeting.
    pub fn session_opened(&mut self, now_ms: Millis) {
        self.sent_ms = now_ms;
    }

    /// The session ended: replies that wait are dropped, which answers them.
    pub fn session_ended(&mut self) {
        self.announcing.clear();
    }

    /// Notes that a peer began to listen.
    pub fn greet(&mut self) {
        self.was_greeted = true;
    }

    /// Queues what still matters for the peers that began to listen: at most once a second, for all of them at once.
    pub fn answer_greetings(&mut self, buffer: &mut WriteBuffer, now_ms: Millis) {
        if self.was_greeted && self.answered_ms.is_none_or(|answered_ms| now_ms - answered_ms >= HEARTBEAT_MS) {
            (self.was_greeted, self.answered_ms) = (false, Some(now_ms));
            buffer.repeat(now_ms);
        }
    }

    /// Answers `reply` when what is buffered now was published.
    pub fn announce(&mut self, reply: Reply<()>) {
        self.announcing.push(reply);
    }

    /// Takes what is to be published: the message, and what is needed to conclude it. None while a message is under way, and
    /// where there is nothing to publish and no heartbeat is due.
    pub fn begin(
        &mut self,
        buffer: &mut WriteBuffer,
        shared: &Shared,
        now_ms: Millis,
        decay_per_ms: f64,
    ) -> Option<(Vec<u8>, PendingPublish)> {
        if self.is_publishing {
            return None;
        }
        let (reports, forgotten) = buffer.take_unsent(MAX_RECORDS, now_ms, decay_per_ms);
        let silent_ms = now_ms - self.sent_ms;
        if reports.is_empty() && forgotten.is_empty() && silent_ms < HEARTBEAT_MS && self.announcing.is_empty() {
            return None;
        }
        let message = shared.seal(encode(shared.node, reports.iter().copied(), &forgotten));
        let announcing = mem::take(&mut self.announcing);
        self.is_publishing = true;
        let pending = PendingPublish { reports, forgotten, bytes: message.len(), announcing };
        Some((message, pending))
    }

    /// Concludes a message; whether there is more to publish at once. What was not published is buffered again.
    pub fn finish(
        &mut self,
        pending: PendingPublish,
        sent: &Result<(), ClientError>,
        buffer: &mut WriteBuffer,
        shared: &Shared,
        now_ms: Millis,
    ) -> bool {
        self.is_publishing = false;
        for reply in pending.announcing {
            reply.send(sent.clone());
        }
        if sent.is_err() {
            buffer.put_back(&pending.reports, &pending.forgotten);
            return false;
        }
        self.sent_ms = now_ms;
        let counters = &shared.counters;
        count(&counters.sent_messages, 1);
        count(&counters.sent_bytes, pending.bytes);
        count(&counters.sent_reports, pending.reports.len());
        // Reports that did not fit into one message, or that replies came to wait for meanwhile.
        pending.reports.len() + pending.forgotten.len() >= MAX_RECORDS || self.is_announcing()
    }
}

/// Publishes one message. A refusal is retried once: a server may be loading, or running a script.
pub(super) async fn send(session: &mut Session, channel: &str, message: Vec<u8>) -> Result<(), ClientError> {
    let mut command = cmd(if session.sharded { "SPUBLISH" } else { "PUBLISH" });
    command.arg(channel).arg(message);
    match query(&mut session.bus, &mut command).await {
        Err(error) if error.kind == Kind::Refused => query(&mut session.bus, &mut command).await,
        answer => answer,
    }
    .map(drop)
    // A connection that may not publish is no connection.
    .map_err(|error| if error.kind == Kind::Refused { ClientError { kind: Kind::Lost, ..error } } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::{
        decode,
        redis::{options::ClientOptions, record::Record},
    };

    fn report(buffer: &mut WriteBuffer, name: &str, now_ms: Millis) {
        let record = Record { scar: 1.0, ..Record::default() };
        buffer.note(RouteKey::of(name.as_bytes()), &name.as_bytes().into(), record, now_ms);
    }

    #[test]
    fn one_message_is_under_way_and_what_failed_is_buffered_again() {
        let shared = Shared::new(&ClientOptions::default(), &[]);
        let (mut publisher, mut buffer) = (Publisher::default(), WriteBuffer::new(10, 1e9));
        report(&mut buffer, "a", 0.0);
        let (message, pending) = publisher.begin(&mut buffer, &shared, 0.0, 0.0).expect("a report");
        assert_eq!(decode(&message).unwrap().reports.len(), 1);
        report(&mut buffer, "b", 0.0);
        assert!(publisher.begin(&mut buffer, &shared, 0.0, 0.0).is_none() && publisher.is_publishing());
        assert!(!publisher.finish(pending, &Err(ClientError::closed()), &mut buffer, &shared, 0.0));
        let (message, pending) = publisher.begin(&mut buffer, &shared, 0.0, 0.0).expect("both reports");
        assert_eq!(decode(&message).unwrap().reports.len(), 2);
        assert!(!publisher.finish(pending, &Ok(()), &mut buffer, &shared, 5.0));
        assert!(publisher.begin(&mut buffer, &shared, 5.0, 0.0).is_none(), "nothing new");
        let (heartbeat, _) = publisher.begin(&mut buffer, &shared, 5.0 + HEARTBEAT_MS, 0.0).expect("a heartbeat");
        assert_eq!(decode(&heartbeat).unwrap().reports.len(), 0);
    }

    #[test]
    fn greetings_are_answered_once_a_second() {
        let shared = Shared::new(&ClientOptions::default(), &[]);
        let (mut publisher, mut buffer) = (Publisher::default(), WriteBuffer::new(10, 1e9));
        report(&mut buffer, "a", 0.0);
        let mut published = |publisher: &mut Publisher, now_ms| {
            publisher.greet();
            publisher.answer_greetings(&mut buffer, now_ms);
            let Some((message, pending)) = publisher.begin(&mut buffer, &shared, now_ms, 0.0) else { return 0 };
            publisher.finish(pending, &Ok(()), &mut buffer, &shared, now_ms);
            decode(&message).unwrap().reports.len()
        };
        let seen = [0.0, 1.0, 2.0, HEARTBEAT_MS].map(|now_ms| published(&mut publisher, now_ms));
        assert_eq!(seen, [1, 0, 0, 1]);
    }
}
