//! The watchdog: one thread a process that sees event loops stall while they do.
//!
//! A loop that is blocked reports nothing, so this thread looks from outside, at what the loop left behind: the time at which it last went
//! to its poll, what it had slept by then, and the time of its last decision. What it has slept since, libuv tells any thread. It calls
//! no JavaScript, and ends when no loop is watched any longer.
//!
//! ```text
//! busy since = max(went to poll + slept since, last decision)
//! ```
//!
//! It also tells a loop that was blocked from a process that did not run, as on a machine that was suspended: then it was late itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use napi::bindgen_prelude::retain_current_module_for_unload_safety;
use napi_derive::napi;
use parking_lot::{Condvar, Mutex};

use super::{
    process,
    stalls::LEAST_MS,
    uv::{self, Raw},
};
use crate::{clock::MonotonicClock, units::Millis};

/// The thread looks this often, ms: while a loop is at work, and while all sleep.
const BUSY_MS: Millis = 25.0;
const IDLE_MS: Millis = 100.0;
/// A loop that was at work for less is not.
const AT_WORK_MS: Millis = 1.0;
/// The process did not run when the thread is later than this, ms.
const FROZEN_MS: Millis = 1000.0;
/// The last times in which the process did not run; kept.
const FREEZES: usize = 8;

/// A number that threads share.
#[derive(Debug)]
pub struct Shared(AtomicU64);

impl Shared {
    pub const fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    #[inline]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    #[inline]
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

/// A loop of libuv, for as long as its environment lives.
struct Loop(Raw);

// SAFETY: the one function that is called with it may be called by any thread, and only under the lock that the environment takes the
// loop away with before it ends.
unsafe impl Send for Loop {}

/// Loops that were watched so far.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// The stamps that a loop leaves behind for the thread.
pub struct LoopStamps {
    /// No other loop of this process has it; from 1 on.
    pub number: u32,
    /// Odd while the two numbers after it change.
    turn: AtomicU64,
    polled_ms: Shared,
    idle_ns: AtomicU64,
    /// The time of the last decision.
    pub stamp_ms: Shared,
    /// By the thread: since when the loop is blocked, ms; 0: it is not.
    blocked_since_ms: Shared,
    uv_loop: Mutex<Option<Loop>>,
}

impl LoopStamps {
    /// Of a loop that is at work now.
    pub fn new(uv_loop: Raw, idle_ns: u64, now_ms: Millis) -> Self {
        Self {
            number: NUMBERS.fetch_add(1, Relaxed).wrapping_add(1),
            turn: AtomicU64::new(0),
            polled_ms: Shared::new(now_ms),
            idle_ns: AtomicU64::new(idle_ns),
            stamp_ms: Shared::new(now_ms),
            blocked_since_ms: Shared::new(0.0),
            uv_loop: Mutex::new(Some(Loop(uv_loop))),
        }
    }

    /// By the loop: it goes to its poll.
    pub fn poll(&self, now_ms: Millis, idle_ns: u64) {
        let turn = self.turn.load(Relaxed);
        self.turn.store(turn.wrapping_add(1), SeqCst);
        self.polled_ms.set(now_ms);
        self.idle_ns.store(idle_ns, Relaxed);
        self.turn.store(turn.wrapping_add(2), SeqCst);
        if self.blocked_since_ms.get() > 0.0 {
            self.blocked_since_ms.set(0.0);
        }
    }

    /// Since when the loop is at work, ms, given what it has slept so far; for the loop itself.
    pub fn busy_since_ms(&self, idle_ns: u64) -> Millis {
        self.turn_since_ms(idle_ns).max(self.stamp_ms.get())
    }

    /// Since when the loop has not gone to its poll, ms, without what it slept there.
    pub fn turn_since_ms(&self, idle_ns: u64) -> Millis {
        let slept_ms = idle_ns.saturating_sub(self.idle_ns.load(Relaxed)) as f64 * 1e-6;
        self.polled_ms.get() + slept_ms
    }

    /// The same for the thread; None where the loop goes to its poll at this moment, or has ended.
    fn look(&self, idle_ns_of: unsafe extern "C" fn(Raw) -> u64) -> Option<Millis> {
        let uv_loop = self.uv_loop.lock();
        let before = self.turn.load(SeqCst);
        // SAFETY: the environment that the loop belongs to lives: it takes the loop away, under this lock, before it ends.
        let idle_ns = unsafe { idle_ns_of(uv_loop.as_ref()?.0) };
        let since_ms = self.busy_since_ms(idle_ns);
        (before.is_multiple_of(2) && before == self.turn.load(SeqCst)).then_some(since_ms)
    }

    /// The environment of the loop ends.
    pub fn end(&self) {
        *self.uv_loop.lock() = None;
    }
}

struct Watchdog {
    loops: Mutex<Vec<Arc<LoopStamps>>>,
    changed: Condvar,
    /// The time of the thread's next look, ms.
    due_ms: Shared,
    freezes: Mutex<[(Millis, Millis); FREEZES]>,
}

static WATCHDOG: Watchdog = Watchdog {
    loops: Mutex::new(Vec::new()),
    changed: Condvar::new(),
    due_ms: Shared::new(f64::INFINITY),
    freezes: Mutex::new([(0.0, 0.0); FREEZES]),
};

/// Watches a loop from now on. A process that can start no thread watches none from outside; its loops see their own stalls, afterwards.
pub fn watch(stamps: &Arc<LoopStamps>) {
    let mut loops = WATCHDOG.loops.lock();
    loops.push(Arc::clone(stamps));
    if loops.len() > 1 {
        WATCHDOG.changed.notify_one();
        return;
    }
    // The thread's code must stay where it is, also when the environment that loaded it ends.
    retain_current_module_for_unload_safety();
    let started = thread::Builder::new().name("atrion-watchdog".into()).stack_size(128 * 1024).spawn(run);
    if started.is_err() {
        loops.clear();
    }
}

/// The environment of a loop ends.
pub fn unwatch(stamps: &Arc<LoopStamps>) {
    stamps.end();
    let mut loops = WATCHDOG.loops.lock();
    loops.retain(|one| !Arc::ptr_eq(one, stamps));
    WATCHDOG.changed.notify_one();
}

fn run() {
    let clock = process::clock();
    // A loop is watched only where there are these functions.
    let Some(uv) = uv::uv() else { return };
    let mut loops = WATCHDOG.loops.lock();
    while !loops.is_empty() {
        let period_ms = look(&loops, uv.idle_ns, clock);
        let due_ms = clock.precise_ms() + period_ms;
        WATCHDOG.due_ms.set(due_ms);
        WATCHDOG.changed.wait_for(&mut loops, Duration::from_secs_f64(period_ms * 1e-3));
        let now_ms = clock.precise_ms();
        if now_ms > due_ms + FROZEN_MS {
            let mut freezes = WATCHDOG.freezes.lock();
            freezes.rotate_right(1);
            freezes[0] = (due_ms, now_ms);
        }
        WATCHDOG.due_ms.set(now_ms + period_ms);
    }
    // No thread, none that is late; another is started under the same lock.
    WATCHDOG.due_ms.set(f64::INFINITY);
}

/// Looks at every loop; how long until the next look, ms.
fn look(loops: &[Arc<LoopStamps>], idle_ns_of: unsafe extern "C" fn(Raw) -> u64, clock: MonotonicClock) -> Millis {
    let mut period_ms = IDLE_MS;
    for stamps in loops {
        let since_ms = stamps.look(idle_ns_of);
        let busy_ms = since_ms.map_or(0.0, |since_ms| clock.precise_ms() - since_ms);
        let is_blocked = busy_ms >= LEAST_MS;
        stamps.blocked_since_ms.set(if is_blocked { since_ms.unwrap_or(0.0) } else { 0.0 });
        if busy_ms >= AT_WORK_MS {
            period_ms = BUSY_MS;
        }
    }
    period_ms
}

/// The part of a time, which ends now, in which the process did not run, ms: where the thread was late as well.
pub fn frozen_ms(since_ms: Millis, until_ms: Millis) -> Millis {
    let overlap_ms = |from_ms: Millis, to_ms: Millis| (to_ms.min(until_ms) - from_ms.max(since_ms)).max(0.0);
    let due_ms = WATCHDOG.due_ms.get();
    let overdue_ms = if until_ms > due_ms + FROZEN_MS { overlap_ms(due_ms, until_ms) } else { 0.0 };
    let past_ms: Millis = WATCHDOG.freezes.lock().iter().map(|&(from_ms, to_ms)| overlap_ms(from_ms, to_ms)).sum();
    // The thread may have noted just now what it is counted as overdue for.
    past_ms.max(overdue_ms).min(until_ms - since_ms)
}

/// The time that each event loop of this process that is blocked has been, ms: also those of other threads, while they are.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn blocked_loops_ms() -> Vec<f64> {
    let now_ms = process::clock().precise_ms();
    let loops = WATCHDOG.loops.lock();
    let since = loops.iter().map(|stamps| stamps.blocked_since_ms.get()).filter(|&since_ms| since_ms > 0.0);
    since.map(|since_ms| (now_ms - since_ms).max(0.0)).collect()
}

/// Since when the loop with a number is blocked, Unix ms, and for how long, ms; None: it is not, or there is none. For other threads, while it is.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn blocked_loop(number: u32) -> Option<Vec<f64>> {
    let now_ms = process::clock().precise_ms();
    let loops = WATCHDOG.loops.lock();
    let since_ms = loops.iter().find(|stamps| stamps.number == number)?.blocked_since_ms.get();
    (since_ms > 0.0).then(|| vec![since_ms, (now_ms - since_ms).max(0.0)])
}
