//! The laws by number. A law is replaced as a whole; handles keep a copy and look whether there is a newer one, which
//! costs the hot path one load.

use std::sync::atomic::{AtomicU32, Ordering};

use super::sync::Mutex;
use crate::physics::law::Law;

/// Most laws an engine takes: their number is 16 bits in a route's state.
const MAX_LAWS: usize = 1 << 16;

/// Every law that a route may be governed by; never empty.
#[derive(Debug)]
pub struct Laws {
    all: Mutex<Vec<Law>>,
    version: AtomicU32,
}

impl Default for Laws {
    fn default() -> Self {
        Self { all: Mutex::new(vec![Law::default()]), version: AtomicU32::new(0) }
    }
}

impl Laws {
    /// Adds a law, or replaces law `id`. None when there is no such law, or no room for another.
    fn define(&self, law: Law, id: Option<u16>) -> Option<u16> {
        let mut all = self.all.lock();
        let id = match id {
            Some(id) => {
                *all.get_mut(usize::from(id))? = law;
                id
            }
            None if all.len() < MAX_LAWS => {
                all.push(law);
                (all.len() - 1) as u16
            }
            None => return None,
        };
        self.version.fetch_add(1, Ordering::Release);
        Some(id)
    }
}

/// A thread's copy of the laws.
#[derive(Debug)]
pub struct LawCache {
    laws: Vec<Law>,
    version: u32,
}

impl LawCache {
    /// A copy of what there is.
    pub fn new(laws: &Laws) -> Self {
        let version = laws.version.load(Ordering::Acquire);
        Self { laws: laws.all.lock().clone(), version }
    }

    /// Adds a law, or replaces law `id`, in `laws` and here: not on the hot path, which would have to allocate.
    pub fn define(&mut self, laws: &Laws, law: Law, id: Option<u16>) -> Option<u16> {
        let id = laws.define(law, id);
        self.refresh(laws);
        id
    }

    /// Brings the copy up to date, if it is not.
    #[inline]
    pub fn refresh(&mut self, laws: &Laws) {
        if self.version != laws.version.load(Ordering::Acquire) {
            self.renew(laws);
        }
    }

    #[cold]
    #[inline(never)]
    fn renew(&mut self, laws: &Laws) {
        *self = Self::new(laws);
    }

    /// Law `id`; the default law for a number that was never defined.
    #[inline]
    pub fn get(&self, id: u16) -> &Law {
        self.laws.get(usize::from(id)).unwrap_or(&self.laws[0])
    }

    /// Was law `id` defined?
    pub fn contains(&self, id: u16) -> bool {
        usize::from(id) < self.laws.len()
    }
}
