//! Documents of the Redis client, as JavaScript sees them.

use napi::{Env, Result, bindgen_prelude::Object};
use napi_derive::napi;

use super::redis::{RedisClient, promise};
use crate::replication::redis::{ClientError, Document, DocumentWrite, Kind, Reply};

/// A document, or the reason for which it was not read or written.
#[napi(object)]
#[derive(Default)]
pub struct RedisDocument {
    /// 'lost', 'refused' or 'unreadable'.
    pub failure: Option<String>,
    /// The reason.
    pub message: Option<String>,
    /// The version; 0: there is none.
    pub version: f64,
    /// The text.
    pub text: Option<String>,
    /// The server's clock, Unix ms.
    pub now_ms: f64,
}

#[napi]
impl RedisClient {
    /// Reads a document. The promise is never rejected: a failure is in its answer.
    #[napi(catch_unwind, ts_return_type = "Promise<RedisDocument>")]
    pub fn read_document<'env>(&self, env: &'env Env, name: String) -> Result<Object<'env>> {
        promise(
            env,
            |answer| answer,
            |reply: Reply<RedisDocument>| {
                let answered = |read: std::result::Result<Document, ClientError>| {
                    read.map_or_else(failed, |Document { version, text, now_ms }| RedisDocument {
                        version: version as f64,
                        text,
                        now_ms,
                        ..RedisDocument::default()
                    })
                };
                self.client.read_document(name, Reply::new(move |read| reply.send(Ok(answered(read)))));
            },
        )
    }

    /// Writes a document if it has a version, with a time to live in ms, or 0; the answer's version is 1 if it had. The promise is
    /// never rejected.
    #[napi(catch_unwind, ts_return_type = "Promise<RedisDocument>")]
    pub fn write_document<'env>(
        &self,
        env: &'env Env,
        name: String,
        version: f64,
        text: String,
        ttl_ms: f64,
    ) -> Result<Object<'env>> {
        let order = DocumentWrite { name, version: version as u64, text, ttl_ms: ttl_ms as u64 };
        promise(
            env,
            |answer| answer,
            |reply: Reply<RedisDocument>| {
                let answered = |written: std::result::Result<bool, ClientError>| {
                    written.map_or_else(failed, |written| RedisDocument {
                        version: f64::from(u8::from(written)),
                        ..RedisDocument::default()
                    })
                };
                self.client.write_document(order, Reply::new(move |written| reply.send(Ok(answered(written)))));
            },
        )
    }

    /// Emits 'written' when another node wrote a document, or no longer.
    #[napi(catch_unwind)]
    pub fn watch_documents(&self, on: bool) {
        self.client.watch_documents(on);
    }
}

/// The answer of a document that was neither read nor written.
fn failed(error: ClientError) -> RedisDocument {
    let failure = match error.kind {
        Kind::Lost | Kind::Moved | Kind::Closed => "lost",
        Kind::Refused => "refused",
        Kind::Unreadable => "unreadable",
    };
    RedisDocument { failure: Some(failure.into()), message: Some(error.message), ..RedisDocument::default() }
}
