//! Documents: read and written by tasks, a bounded number at a time.

use std::{future::Future, sync::Arc, time::Duration};

use super::{Completion, Driver};
use crate::replication::{
    notice,
    redis::{
        connect::Session,
        documents,
        error::{ClientError, Kind},
        options::RESPONSE_TIMEOUT_MS,
        publisher,
        request::DocumentRequest,
    },
};

/// The most documents that are read and written at the same time.
const MAX_TASKS: usize = 1024;
/// The longest time that reading or writing one takes, ms: of the few commands that it may need, one waits for a server that is gone.
const TIMEOUT_MS: u64 = 2 * RESPONSE_TIMEOUT_MS;

async fn bounded<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let late = || ClientError::timed_out("a document", TIMEOUT_MS);
    tokio::time::timeout(Duration::from_millis(TIMEOUT_MS), work).await.map_err(|_| late())?
}

impl Driver {
    /// Reads or writes a document; a write is published.
    pub(super) fn serve_document(&mut self, mut session: Session, request: DocumentRequest) {
        if Arc::strong_count(&self.document_tasks) > MAX_TASKS {
            let full = format!("{MAX_TASKS} documents are being read and written already");
            return request.refuse(ClientError::new(Kind::Refused, full));
        }
        let task = Arc::clone(&self.document_tasks);
        let (options, shared, generation) = (self.options.clone(), self.shared.clone(), self.generation);
        self.tasks.spawn(async move {
            let prefix = &options.key_prefix;
            let error = match request {
                DocumentRequest::Read(name, reply) => {
                    let read = bounded(documents::read(&mut session.store, prefix, &shared, &name)).await;
                    let error = read.as_ref().err().cloned();
                    reply.send(read);
                    error
                }
                DocumentRequest::Write(order, reply) => {
                    let written = bounded(documents::write(&mut session.store, prefix, &shared, &order)).await;
                    let (error, is_written) = (written.as_ref().err().cloned(), written == Ok(true));
                    reply.send(written);
                    if is_written {
                        let notice = shared.seal(notice::encode(shared.node, &order.name));
                        publisher::send(&mut session, &options.channel, notice).await.err()
                    } else {
                        error
                    }
                }
            };
            drop(task);
            Completion::Answered(generation, error)
        });
    }
}
