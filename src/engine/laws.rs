//! The laws by number. A law is replaced as a whole; handles keep a copy and look whether there is a newer one, which
//! costs the hot path one load. A copy takes over what changed since it was made, not all.
//!
//! The laws of a handle that is gone are abandoned: those that govern no route are freed for others, a batch at a time.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU32, Ordering},
};

use super::sync::Mutex;
use crate::physics::law::Law;

/// Most laws an engine takes: their number is 16 bits in a route's state.
const MAX_LAWS: usize = 1 << 16;
/// Changes remembered for the copies; one that is further behind is made anew.
const MAX_CHANGES: usize = 1024;
/// So many newly abandoned laws are looked through at once for those that govern no route.
const ABANDONED_AT_ONCE: usize = 256;

#[derive(Debug)]
struct All {
    laws: Vec<Law>,
    /// The numbers of the laws that changed last, the newest last: one for each version.
    changes: VecDeque<u16>,
    free: Vec<u16>,
    abandoned: Vec<u16>,
    /// How many of them governed a route when that was last looked at.
    still_used: usize,
}

/// Every law that a route may be governed by; never empty.
#[derive(Debug)]
pub struct Laws {
    all: Mutex<All>,
    version: AtomicU32,
}

impl Default for Laws {
    fn default() -> Self {
        let all = All {
            laws: vec![Law::default()],
            changes: VecDeque::new(),
            free: Vec::new(),
            abandoned: Vec::new(),
            still_used: 0,
        };
        Self { all: Mutex::new(all), version: AtomicU32::new(0) }
    }
}

impl Laws {
    /// Adds a law, or replaces law `id`. None when there is no such law, or no room for another.
    fn define(&self, law: Law, id: Option<u16>) -> Option<u16> {
        let mut all = self.all.lock();
        let id = match id.or_else(|| all.free.pop()) {
            Some(id) => {
                *all.laws.get_mut(usize::from(id))? = law;
                id
            }
            None if all.laws.len() < MAX_LAWS => {
                all.laws.push(law);
                (all.laws.len() - 1) as u16
            }
            None => return None,
        };
        if all.changes.len() == MAX_CHANGES {
            all.changes.pop_front();
        }
        all.changes.push_back(id);
        self.version.fetch_add(1, Ordering::Release);
        Some(id)
    }

    /// The handle that added these laws is gone.
    pub fn abandon(&self, ids: Vec<u16>) {
        self.all.lock().abandoned.extend(ids);
    }

    /// Are there so many abandoned laws that it is worth looking which of them govern a route?
    pub fn is_worth_sweeping(&self) -> bool {
        let all = self.all.lock();
        all.free.is_empty() && all.abandoned.len() >= all.still_used + ABANDONED_AT_ONCE
    }

    /// Frees the abandoned laws that govern no route, as `used` says of each.
    pub fn sweep(&self, used: &[bool]) {
        let mut all = self.all.lock();
        let is_used = |id: u16| used.get(usize::from(id)).copied().unwrap_or(false);
        let (abandoned, free) = std::mem::take(&mut all.abandoned).into_iter().partition(|id| is_used(*id));
        all.abandoned = abandoned;
        all.still_used = all.abandoned.len();
        all.free = free;
    }
}

/// A thread's copy of the laws.
#[derive(Debug)]
pub struct LawCache {
    laws: Vec<Law>,
    version: u32,
    /// The numbers of the laws that were added through this copy.
    added: Vec<u16>,
}

impl LawCache {
    /// A copy of what there is.
    pub fn new(laws: &Laws) -> Self {
        let all = laws.all.lock();
        Self { laws: all.laws.clone(), version: laws.version.load(Ordering::Acquire), added: Vec::new() }
    }

    /// Adds a law, or replaces law `id`, in `laws` and here: not on the hot path, which would have to allocate.
    pub fn define(&mut self, laws: &Laws, law: Law, id: Option<u16>) -> Option<u16> {
        let defined = laws.define(law, id);
        if id.is_none() {
            self.added.extend(defined);
        }
        self.refresh(laws);
        defined
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
        let all = laws.all.lock();
        // Versions are counted under the lock.
        let version = laws.version.load(Ordering::Acquire);
        let behind = version.wrapping_sub(self.version) as usize;
        self.version = version;
        if behind > all.changes.len() {
            self.laws.clone_from(&all.laws);
            return;
        }
        let known = self.laws.len();
        self.laws.extend_from_slice(&all.laws[known..]);
        for &id in all.changes.range(all.changes.len() - behind..) {
            self.laws[usize::from(id)] = all.laws[usize::from(id)];
        }
    }

    /// The laws that were added through this copy, which is of no more use.
    pub fn take_added(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.added)
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
