//! Health of the client: degraded or restored, and the delays between attempts.
//!
//! Two things can fail: the connection, and the store behind it (out of memory, no permission). They are one state, so that
//! there is one event when it degrades and one when it is restored, however the causes overlap.

use std::hash::{BuildHasher, RandomState};

use crate::units::Millis;

const FIRST_DELAY_MS: Millis = 50.0;
const LAST_DELAY_MS: Millis = 5000.0;
/// A session that lasted longer is opened again at once, ms.
pub const SETTLED_MS: Millis = 5000.0;

/// Sixty-four random bits: the standard library draws the keys of its hashers.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Growing, jittered delays between attempts.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
    /// The time at which to try next, ms.
    pub due_ms: Millis,
}

impl Backoff {
    /// An attempt failed: the next one comes after 50 ms · 2ⁿ, at most 5 s, half to all of it.
    pub fn fail(&mut self, now_ms: Millis) {
        let delay_ms = (FIRST_DELAY_MS * f64::from(1_u32 << self.attempts.min(16))).min(LAST_DELAY_MS);
        self.attempts = self.attempts.saturating_add(1);
        let jitter = random() as f64 / u64::MAX as f64;
        self.due_ms = now_ms + delay_ms * (0.5 + 0.5 * jitter);
    }

    /// Resets the delay: the next attempt need not wait.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The present troubles.
#[derive(Debug, Default)]
pub struct Health {
    connection: Option<String>,
    store: Option<String>,
    degraded: bool,
}

/// A change of health.
#[derive(Debug, PartialEq, Eq)]
pub enum HealthTransition {
    /// The connection degraded, for this reason.
    Degraded(String),
    /// The connection was restored.
    Restored,
}

impl Health {
    /// Returns whether there is any trouble.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// Sets the trouble of the connection, or that there is none.
    pub fn connection(&mut self, trouble: Option<String>) -> Option<HealthTransition> {
        self.connection = trouble;
        self.judge()
    }

    /// Sets the trouble of the store, or that there is none.
    pub fn store(&mut self, trouble: Option<String>) -> Option<HealthTransition> {
        self.store = trouble;
        self.judge()
    }

    fn judge(&mut self) -> Option<HealthTransition> {
        let trouble = self.connection.as_ref().or(self.store.as_ref());
        if trouble.is_some() == self.degraded {
            return None;
        }
        self.degraded = trouble.is_some();
        Some(trouble.map_or(HealthTransition::Restored, |reason| HealthTransition::Degraded(reason.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_troubles_are_one() {
        let mut health = Health::default();
        assert_eq!(health.connection(Some("cut".into())), Some(HealthTransition::Degraded("cut".into())));
        assert_eq!(health.store(Some("full".into())), None);
        assert_eq!(health.connection(None), None);
        assert_eq!(health.store(None), Some(HealthTransition::Restored));
        assert_eq!(health.store(None), None);
    }

    #[test]
    fn delays_grow_up_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        for attempt in 0..100 {
            backoff.fail(0.0);
            let longest = (FIRST_DELAY_MS * 2_f64.powi(attempt)).min(LAST_DELAY_MS);
            assert!((longest / 2.0..=longest).contains(&backoff.due_ms), "{attempt}: {}", backoff.due_ms);
        }
        let delays: std::collections::BTreeSet<u64> = (0..10)
            .map(|_| {
                backoff.fail(0.0);
                backoff.due_ms.to_bits()
            })
            .collect();
        assert!(delays.len() > 1);
    }
}
