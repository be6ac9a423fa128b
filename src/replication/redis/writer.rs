//! The writer: batches of records for the store. At most one is under way.

use super::{
    connect::Store,
    error::{ClientError, Kind},
    health::Backoff,
    options::ClientOptions,
    request::Reply,
    shared::Shared,
    stats::count,
    store::{self, Place},
    write_buffer::{Batch, WriteBuffer},
};
use crate::{replication::RouteKey, units::Millis};

/// A batch that is under way, and the replies that wait for it.
pub(super) struct PendingWrite {
    pub batch: Batch,
    urgent: Vec<(RouteKey, Reply<()>)>,
}

/// The state of the writer.
#[derive(Default)]
pub(super) struct Writer {
    is_writing: bool,
    backoff: Backoff,
    urgent: Vec<(RouteKey, Reply<()>)>,
}

impl Writer {
    /// Returns whether a batch is under way.
    pub fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Returns whether the time to wait after a failure is over.
    pub fn is_due(&self, now_ms: Millis) -> bool {
        now_ms >= self.backoff.due_ms
    }

    /// Returns whether replies wait for the next batch.
    pub fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The session ended: replies that wait are dropped, which answers them.
    pub fn session_ended(&mut self) {
        self.urgent.clear();
    }

    /// Writes a route with the next batch, and answers `reply` then.
    pub fn prioritise(&mut self, buffer: &mut WriteBuffer, key: RouteKey, reply: Reply<()>) {
        buffer.prioritise(key);
        self.urgent.push((key, reply));
    }

    /// Takes what is due, or all that is not stored. None while a batch is under way, and where there is nothing to write.
    pub fn begin(&mut self, buffer: &mut WriteBuffer, now_ms: Millis, all: bool) -> Option<PendingWrite> {
        if self.is_writing {
            return None;
        }
        let batch = buffer.take_unstored(now_ms, all);
        if batch.is_empty() {
            return None;
        }
        self.is_writing = true;
        Some(PendingWrite { batch, urgent: std::mem::take(&mut self.urgent) })
    }

    /// Concludes a batch; the replies whose routes are stored, and are to be published. What was not stored is buffered again.
    pub fn finish(
        &mut self,
        pending: PendingWrite,
        stored: &Result<usize, ClientError>,
        buffer: &mut WriteBuffer,
        shared: &Shared,
        now_ms: Millis,
    ) -> Vec<Reply<()>> {
        self.is_writing = false;
        let mut done = Vec::new();
        match stored {
            Ok(bytes) => {
                count(&shared.counters.stored_routes, pending.batch.writes.len());
                count(&shared.counters.stored_bytes, *bytes);
                for (key, reply) in pending.urgent {
                    if buffer.is_unstored(key) {
                        self.prioritise(buffer, key, reply);
                    } else {
                        done.push(reply);
                    }
                }
                self.backoff.reset();
            }
            Err(error) => {
                buffer.store_back(pending.batch);
                for (_, reply) in pending.urgent {
                    reply.send(Err(error.clone()));
                }
                self.backoff.fail(now_ms);
            }
        }
        done
    }
}

/// Writes a batch; how many bytes. A refusal is retried once: it may be momentary.
pub(super) async fn write(
    store: &mut Store,
    options: &ClientOptions,
    shared: &Shared,
    batch: &Batch,
) -> Result<usize, ClientError> {
    let place = Place { prefix: &options.key_prefix, shared, expire_ms: options.expire_ms };
    match store::write(store, &place, batch).await {
        Err(error) if error.kind != Kind::Lost => store::write(store, &place, batch).await,
        stored => stored,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::replication::redis::record::Record;

    #[test]
    fn a_failed_batch_is_buffered_again_and_its_replies_are_answered() {
        let shared = Shared::new(&ClientOptions::default(), &[]);
        let (mut writer, mut buffer) = (Writer::default(), WriteBuffer::new(10, 1e9));
        let key = RouteKey::of(b"a");
        buffer.note(key, &b"a"[..].into(), Record::default(), 0.0);
        let (answers, answered) = mpsc::channel();
        let reply = |answers: &mpsc::Sender<_>| {
            let answers = answers.clone();
            Reply::new(move |answer: Result<(), ClientError>| answers.send(answer.is_ok()).unwrap())
        };
        writer.prioritise(&mut buffer, key, reply(&answers));
        let pending = writer.begin(&mut buffer, 0.0, false).expect("a record");
        assert!(writer.is_writing() && writer.begin(&mut buffer, 0.0, true).is_none());
        let failed = Err(ClientError::closed());
        assert!(writer.finish(pending, &failed, &mut buffer, &shared, 0.0).is_empty());
        assert_eq!(answered.try_recv(), Ok(false));
        assert!(buffer.is_unstored(key) && !writer.is_due(0.0));

        writer.prioritise(&mut buffer, key, reply(&answers));
        let pending = writer.begin(&mut buffer, 0.0, false).expect("the record again");
        let done = writer.finish(pending, &Ok(45), &mut buffer, &shared, 0.0);
        assert_eq!((done.len(), buffer.unstored()), (1, 0));
        assert!(writer.is_due(0.0) && !writer.has_urgent());
    }
}
