//! The parameters of routes by number. A set is replaced as a whole; handles keep a copy and check its version, which costs the
//! hot path one load. A copy takes over only what changed since it was made.
//!
//! The sets of a dropped handle are abandoned: those that no route uses are freed for others, a batch at a time.

use std::{collections::VecDeque, sync::atomic::Ordering};

use crate::{
    physics::params::RouteParams,
    sync::{AtomicU32, Mutex},
};

/// Most sets of parameters of an engine: their number is 16 bits in a route's state.
const MAX_PARAMS: usize = 1 << 16;
/// Changes remembered for the copies; a copy that is further behind is made anew.
const MAX_CHANGES: usize = 1024;
/// The newly abandoned sets after which it is checked which of them a route still uses.
const ABANDONED_AT_ONCE: usize = 256;

#[derive(Debug)]
struct All {
    params: Vec<RouteParams>,
    /// The numbers of the sets that changed last, the newest last: one for each version.
    changes: VecDeque<u16>,
    free: Vec<u16>,
    abandoned: Vec<u16>,
    /// The number of them that a route used at the last check.
    still_used: usize,
}

/// All sets of parameters; never empty.
#[derive(Debug)]
pub struct ParamsTable {
    all: Mutex<All>,
    version: AtomicU32,
}

impl Default for ParamsTable {
    fn default() -> Self {
        let all = All {
            params: vec![RouteParams::default()],
            changes: VecDeque::new(),
            free: Vec::new(),
            abandoned: Vec::new(),
            still_used: 0,
        };
        Self { all: Mutex::new(all), version: AtomicU32::new(0) }
    }
}

impl ParamsTable {
    /// Adds parameters, or replaces those of number `id`. None when there are none of that number, or no room for more.
    #[allow(clippy::large_types_passed_by_value, reason = "it is kept")]
    fn define(&self, params: RouteParams, id: Option<u16>) -> Option<u16> {
        let mut all = self.all.lock();
        let id = match id.or_else(|| all.free.pop()) {
            Some(id) => {
                *all.params.get_mut(usize::from(id))? = params;
                id
            }
            None if all.params.len() < MAX_PARAMS => {
                all.params.push(params);
                (all.params.len() - 1) as u16
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

    /// Marks sets as abandoned: the handle that added them was dropped.
    pub fn abandon(&self, ids: Vec<u16>) {
        self.all.lock().abandoned.extend(ids);
    }

    /// Returns whether there are enough abandoned sets to check which of them a route still uses.
    pub fn is_worth_sweeping(&self) -> bool {
        let all = self.all.lock();
        all.free.is_empty() && all.abandoned.len() >= all.still_used + ABANDONED_AT_ONCE
    }

    /// Frees the abandoned sets that no route uses; `used` says so by number.
    pub fn sweep(&self, used: &[bool]) {
        let mut all = self.all.lock();
        let is_used = |id: u16| used.get(usize::from(id)).copied().unwrap_or(false);
        let (abandoned, free) = std::mem::take(&mut all.abandoned).into_iter().partition(|id| is_used(*id));
        all.abandoned = abandoned;
        all.still_used = all.abandoned.len();
        all.free = free;
    }
}

/// A thread's copy of the parameters.
#[derive(Debug)]
pub struct ParamsCache {
    params: Vec<RouteParams>,
    version: u32,
    /// The numbers of the sets that were added through this copy.
    added: Vec<u16>,
}

impl ParamsCache {
    /// A copy of the present parameters.
    pub fn new(table: &ParamsTable) -> Self {
        let all = table.all.lock();
        Self { params: all.params.clone(), version: table.version.load(Ordering::Acquire), added: Vec::new() }
    }

    /// Adds parameters, or replaces those of number `id`, in `table` and here: not on the hot path, which would have to allocate.
    #[allow(clippy::large_types_passed_by_value, reason = "it is kept")]
    pub fn define(&mut self, table: &ParamsTable, params: RouteParams, id: Option<u16>) -> Option<u16> {
        let defined = table.define(params, id);
        if id.is_none() {
            self.added.extend(defined);
        }
        self.refresh(table);
        defined
    }

    /// Brings the copy up to date, if it is not.
    #[inline]
    pub fn refresh(&mut self, table: &ParamsTable) {
        if self.version != table.version.load(Ordering::Acquire) {
            self.renew(table);
        }
    }

    #[cold]
    #[inline(never)]
    fn renew(&mut self, table: &ParamsTable) {
        let all = table.all.lock();
        // Versions are counted under the lock.
        let version = table.version.load(Ordering::Acquire);
        let behind = version.wrapping_sub(self.version) as usize;
        self.version = version;
        if behind > all.changes.len() {
            self.params.clone_from(&all.params);
            return;
        }
        let known = self.params.len();
        self.params.extend_from_slice(&all.params[known..]);
        for &id in all.changes.range(all.changes.len() - behind..) {
            self.params[usize::from(id)] = all.params[usize::from(id)];
        }
    }

    /// Takes the numbers of the sets that were added through this copy.
    pub fn take_added(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.added)
    }

    /// The parameters of number `id`; the default ones for a number that was never defined.
    #[inline]
    pub fn get(&self, id: u16) -> &RouteParams {
        self.params.get(usize::from(id)).unwrap_or(&self.params[0])
    }

    /// Returns whether the parameters of number `id` were defined.
    pub fn contains(&self, id: u16) -> bool {
        usize::from(id) < self.params.len()
    }
}
