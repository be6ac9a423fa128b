//! The engine's half of a mailbox whose other half is in the addon of a store. JavaScript carries the bytes between them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use napi::{
    Result, Status,
    bindgen_prelude::{Buffer, Error},
};
use napi_derive::napi;
use parking_lot::Mutex;

use super::checks;
use crate::replication::{
    Loaded, Mailbox, Outbox, Transport,
    transfer::{self, Outgoing},
};

/// The transport to a store in another addon.
#[napi]
pub struct Link {
    mailbox: Arc<Mailbox>,
    loaded: Mutex<Option<Loaded>>,
    /// λ as it was last sent, as bits.
    sent_decay: AtomicU64,
}

impl Transport for Link {
    fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    fn take_loaded(&self) -> Option<Loaded> {
        self.loaded.lock().take()
    }
}

#[napi]
impl Link {
    /// A link of at most `maxRoutes` routes each way.
    #[napi(catch_unwind, constructor)]
    pub fn new(max_routes: u32) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::new(checks::max_routes(max_routes)? as usize));
        let sent_decay = AtomicU64::new(mailbox.decay_per_ms().to_bits());
        Ok(Self { mailbox, loaded: Mutex::default(), sent_decay })
    }

    /// Takes what is to be sent to the store, if anything is.
    #[napi(catch_unwind)]
    pub fn outgoing(&self) -> Option<Buffer> {
        let outbox = self.mailbox.take_outgoing();
        let (decay_per_ms, dropped) = (self.mailbox.decay_per_ms(), self.mailbox.take_dropped());
        let sent = self.sent_decay.swap(decay_per_ms.to_bits(), Relaxed);
        if outbox == Outbox::default() && dropped == 0 && sent == decay_per_ms.to_bits() {
            return None;
        }
        Some(Outgoing { decay_per_ms, dropped, outbox }.encode().into())
    }

    /// Takes in what the store received of peers.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn receive(&self, received: Buffer) -> Result<()> {
        self.mailbox.deliver(transfer::decode_received(&received).ok_or_else(|| foreign("received"))?);
        Ok(())
    }

    /// Takes in what the store loaded.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
    pub fn load(&self, loaded: Buffer) -> Result<()> {
        *self.loaded.lock() = Some(transfer::decode_loaded(&loaded).ok_or_else(|| foreign("loaded"))?);
        Ok(())
    }
}

fn foreign(field: &str) -> Error {
    Error::new(Status::InvalidArg, format!("{field} must be bytes of a store's addon"))
}
