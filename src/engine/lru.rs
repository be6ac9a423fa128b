//! The states of the routes in order of use.
//!
//! A route lives in a slot; slots lie in blocks that never move, so a table grows without copying. The order of use is a list
//! linked through the slots, so that finding the least recently used costs the same at a thousand routes and at a million. The
//! sync cursor is a slot without a route in that list: what is newer was used since it was last advanced.

use super::ids::Slot;
use crate::physics::{
    mode::Mode,
    tick::{Override, RouteState},
    tuner::Moments,
};

/// No slot.
pub const NONE: Slot = Slot::MAX;
/// Slots that are allocated at once.
const BLOCK: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Entry {
    state: RouteState,
    /// Towards the most recently used; the slot itself where it is vacant.
    newer: Slot,
    /// Towards the least recently used.
    older: Slot,
}

/// The size of a route besides its name and the map from name to slot, bytes.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// Touches that are not in the list yet: of slots that follow each other in it, so that they become the newest in one step. Routes that
/// are touched in the same order again and again are one run.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
pub struct Run {
    /// The oldest and the newest of them; `NONE`: there are none.
    oldest: Slot,
    newest: Slot,
    /// The slot used next after the newest of them; `NONE`: there is none.
    next: Slot,
}

#[cfg(not(target_family = "wasm"))]
impl Run {
    /// Takes four slots in, where they follow the run and each other; false, and nothing changes, where they do not. `newer`: the
    /// slots used next after them.
    #[inline(always)]
    pub fn takes(&mut self, slots: [Slot; 4], newer: [Slot; 4]) -> bool {
        let follows = slots[0] == self.next && slots[1] == newer[0] && slots[2] == newer[1] && slots[3] == newer[2];
        if follows && self.newest != NONE {
            (self.newest, self.next) = (slots[3], newer[3]);
            return true;
        }
        false
    }
}

#[cfg(not(target_family = "wasm"))]
impl Default for Run {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE, next: NONE }
    }
}

/// The states, and the list of their use.
#[derive(Debug)]
pub struct Lru {
    /// Arrays, not slices: an index into one needs no check.
    blocks: Vec<Box<[Entry; BLOCK]>>,
    newest: Slot,
    oldest: Slot,
    /// The vacant slot that marks the place of the replication among the routes; `NONE` until it is placed.
    sync_cursor: Slot,
}

impl Default for Lru {
    fn default() -> Self {
        Self { blocks: Vec::new(), newest: NONE, oldest: NONE, sync_cursor: NONE }
    }
}

impl Lru {
    #[inline]
    fn entry(&mut self, slot: Slot) -> &mut Entry {
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    /// The state in that slot, which must hold a route.
    #[inline]
    pub fn state(&mut self, slot: Slot) -> &mut RouteState {
        &mut self.entry(slot).state
    }

    /// Makes the route in that slot the most recently used; its state. None when the slot is vacant.
    #[inline]
    pub fn touch(&mut self, slot: Slot) -> Option<&mut RouteState> {
        let block = self.blocks.get(slot as usize / BLOCK)?;
        if block[slot as usize % BLOCK].newer == slot {
            return None;
        }
        if self.newest != slot {
            self.unlink(slot);
            self.link_after(slot, self.newest);
        }
        Some(&mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK].state)
    }

    /// The state in that slot, and the slot used next after it. None when the slot is vacant.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<(&RouteState, Slot)> {
        let entry = &self.blocks.get(slot as usize / BLOCK)?[slot as usize % BLOCK];
        (entry.newer != slot).then_some((&entry.state, entry.newer))
    }

    /// Makes the route in that slot, which must hold one, the most recently used once the run ends.
    #[cfg(not(target_family = "wasm"))]
    pub fn touch_later(&mut self, run: &mut Run, slot: Slot) {
        if run.next != slot {
            self.end_run(run);
            run.oldest = slot;
        }
        run.newest = slot;
        run.next = self.entry(slot).newer;
    }

    /// Ends a run: its slots are the most recently used, in its order.
    #[cfg(not(target_family = "wasm"))]
    pub fn end_run(&mut self, run: &mut Run) {
        let Run { oldest: first, newest: last, .. } = std::mem::take(run);
        if last == NONE || self.newest == last {
            return;
        }
        let (older, newer) = (self.entry(first).older, self.entry(last).newer);
        self.entry(newer).older = older;
        match older {
            NONE => self.oldest = newer,
            _ => self.entry(older).newer = newer,
        }
        let newest = std::mem::replace(&mut self.newest, last);
        self.entry(newest).newer = first;
        self.entry(first).older = newest;
        self.entry(last).newer = NONE;
    }

    /// Allocates the block of `slot` if it is the first of one.
    pub fn grow(&mut self, slot: usize) {
        if slot == self.blocks.len() * BLOCK {
            let vacant = |i| Entry { state: VACANT, newer: (slot + i) as Slot, older: NONE };
            self.blocks.push(Box::new(std::array::from_fn(vacant)));
        }
    }

    /// Puts a route in a vacant slot as the most recently used.
    pub fn insert(&mut self, slot: Slot, state: RouteState) {
        self.entry(slot).state = state;
        self.link_after(slot, self.newest);
    }

    /// Makes a slot vacant.
    pub fn remove(&mut self, slot: Slot) {
        self.unlink(slot);
        self.entry(slot).newer = slot; // newer than itself: vacant
    }

    /// Makes the route in that slot the least recently used.
    pub fn demote(&mut self, slot: Slot) {
        self.unlink(slot);
        self.link_after(slot, NONE);
    }

    /// The least recently used slot, the cursor's included; `NONE` when there is none.
    pub fn oldest(&self) -> Slot {
        self.oldest
    }

    /// The slot used next after that one; `NONE` for the newest.
    pub fn newer(&mut self, slot: Slot) -> Slot {
        self.entry(slot).newer
    }

    /// Returns whether that slot is the sync cursor's.
    pub fn is_cursor(&self, slot: Slot) -> bool {
        slot == self.sync_cursor
    }

    /// Returns whether the sync cursor was placed.
    pub fn has_cursor(&self) -> bool {
        self.sync_cursor != NONE
    }

    /// Places the sync cursor, in a vacant slot, before all routes.
    pub fn place_cursor(&mut self, slot: Slot) {
        self.sync_cursor = slot;
        self.link_after(slot, NONE);
    }

    /// Places the sync cursor, in a vacant slot, after all that is linked.
    #[cfg(not(target_family = "wasm"))]
    pub fn restore_cursor(&mut self, slot: Slot) {
        self.sync_cursor = slot;
        self.link_after(slot, self.newest);
    }

    /// Moves the sync cursor past the next route, and returns it; None when it is past them all.
    pub fn advance_cursor(&mut self) -> Option<Slot> {
        let cursor = self.sync_cursor;
        let slot = self.entry(cursor).newer;
        if slot == NONE {
            return None;
        }
        self.unlink(cursor);
        self.link_after(cursor, slot);
        Some(slot)
    }

    /// Links a slot in as just newer than `older`, or as the oldest of all.
    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn link_after(&mut self, slot: Slot, older: Slot) {
        let newer = if older == NONE { self.oldest } else { self.entry(older).newer };
        let entry = self.entry(slot);
        (entry.newer, entry.older) = (newer, older);
        match older {
            NONE => self.oldest = slot,
            _ => self.entry(older).newer = slot,
        }
        match newer {
            NONE => self.newest = slot,
            _ => self.entry(newer).older = slot,
        }
    }

    #[cfg_attr(not(target_family = "wasm"), inline)]
    #[cfg_attr(target_family = "wasm", inline(never))]
    fn unlink(&mut self, slot: Slot) {
        let Entry { newer, older, .. } = *self.entry(slot);
        match newer {
            NONE => self.newest = older,
            _ => self.entry(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => self.entry(older).newer = newer,
        }
    }
}

/// The state of a vacant slot, and of the sync cursor's.
const VACANT: RouteState = RouteState {
    pressure: [0.0; 3],
    previous_pressure: [0.0; 3],
    momentum: 0.0,
    scar: 0.0,
    resistance: 0.0,
    last_updated_ms: 0.0,
    recovery_started_ms: 0.0,
    moments: Moments { mean: 0.0, variance: 0.0 },
    moments_count: 0,
    ticks: 0,
    rejected_samples: 0,
    params_id: 0,
    mode: Mode::Bootstrap,
    manual: Override::None,
};
