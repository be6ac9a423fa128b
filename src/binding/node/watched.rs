//! An engine's view of the event loop of its thread: what it learns of stalls and long turns, and the calls that they excuse.

use std::rc::Rc;

use super::event_loop::EventLoop;
use crate::{
    binding::frame::{Cells, cell},
    engine::{Handle, PermitId},
    units::Millis,
};

/// An engine's view of its thread's loop.
pub struct Watched {
    event_loop: Rc<EventLoop>,
    /// The times in which the loop read nothing that the engine has seen.
    seen: u64,
    /// The number of stalls that a recording has.
    taken: u64,
}

impl Watched {
    pub fn new(event_loop: Rc<EventLoop>) -> Self {
        let seen = event_loop.count.get();
        Self { event_loop, seen, taken: seen }
    }

    /// A decision is made now; the engine learns of the stalls before it.
    #[inline]
    pub fn stamp(&mut self, handle: &mut Handle, cells: &mut Cells, now_ms: Millis) {
        self.event_loop.stamp(now_ms);
        if self.event_loop.count.get() != self.seen {
            self.catch_up(handle, cells);
        }
    }

    #[cold]
    fn catch_up(&mut self, handle: &mut Handle, cells: &mut Cells) {
        for &[since_ms, until_ms] in self.event_loop.deaf.borrow().after(self.seen) {
            handle.blocked(since_ms, until_ms);
        }
        self.seen = self.event_loop.count.get();
        cells[cell::STALLS] = self.seen as f64;
    }

    /// The times in which the loop read nothing that the engine has learnt of since this was last called: the beginning and the end of
    /// each, ms.
    pub fn take_stalls(&mut self) -> Vec<Millis> {
        let deaf = self.event_loop.deaf.borrow();
        let unseen = (deaf.count() - self.seen) as usize;
        let mut ends: Vec<_> = deaf.after(self.taken).flatten().copied().collect();
        ends.truncate(ends.len().saturating_sub(2 * unseen));
        self.taken = self.seen;
        ends
    }

    /// Excuses a call of another service that is over now for the stalls that it waited in; by how much, ms.
    pub fn excuse(&self, handle: &mut Handle, permit: PermitId, is_answer: bool, now_ms: Millis) -> Millis {
        if self.event_loop.count.get() == 0 {
            return 0.0;
        }
        let stalls = self.event_loop.stalls.borrow();
        // A loop that stalls for most of the time is what is short, and its queue the evidence of that.
        if is_answer && stalls.are_common(now_ms) {
            return 0.0;
        }
        handle.postpone(permit, is_answer, now_ms, |admitted_ms| {
            // A stall from its admission to its end, without a poll between, was its own work.
            if is_answer && stalls.last_is(admitted_ms, now_ms) { 0.0 } else { stalls.overlap_ms(admitted_ms, now_ms) }
        })
    }

    /// The time from `from_ms` to now in which the loop stalled, if it stalled just now, ms.
    pub fn lately_ms(&self, from_ms: Millis, now_ms: Millis) -> Millis {
        self.event_loop.lately_ms(from_ms, now_ms)
    }
}
