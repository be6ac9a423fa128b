//! The event loop of a thread, as it is watched from within: at each poll and each decision it is known exactly how long the loop was at work
//! since the last of either. What took long is a stall, which excuses requests that waited for it.

use std::{
    cell::{Cell, RefCell},
    ptr,
    rc::Rc,
    sync::Arc,
};

use napi::{
    Env, Result, Status,
    bindgen_prelude::{Float64Array, Function},
    check_status, sys,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;

use super::{
    gc::Garbage,
    panics, process,
    stalls::{Deaf, LEAST_MS, Stall, Stalls},
    uv::{self, Raw, Uv},
    watchdog::{self, LoopStamps},
};
use crate::{clock::MonotonicClock, units::Millis};

/// Listeners of one loop: copies of the package.
const MOST_LISTENERS: usize = 64;
/// A failure in this time after a stall may have been due while the loop was blocked, ms.
const GRACE_MS: Millis = 25.0;

/// Cells of a listener's array; the rows of the last stalls follow.
mod row {
    /// stalls so far; row n modulo ROWS is that of number n
    pub const COUNT: usize = 0;
    /// all together, and the longest, ms
    pub const TOTAL_MS: usize = 1;
    pub const LONGEST_MS: usize = 2;
    /// what garbage took of them, ms; NaN: not known
    pub const GARBAGE_MS: usize = 3;
    pub const ROW: usize = 8;
}
/// Rows of a listener's array, and its cells: start, ms since the Unix epoch; length, ms; what the process did not run of it, and what
/// garbage took, ms.
const ROWS: usize = 16;
const ROW_CELLS: usize = 4;
const CELLS: usize = row::ROW + ROWS * ROW_CELLS;

type Notify = ThreadsafeFunction<(), (), (), Status, false, true>;

struct Listener {
    cells: Float64Array,
    notify: Notify,
}

/// See the module.
pub struct EventLoop {
    stamps: Arc<LoopStamps>,
    clock: MonotonicClock,
    uv: &'static Uv,
    uv_loop: Raw,
    pub(super) stalls: RefCell<Stalls>,
    pub(super) deaf: RefCell<Deaf>,
    /// The time until which it is known whether the loop read, ms; and the times so far in which it did not.
    known_ms: Cell<Millis>,
    pub(super) count: Cell<u64>,
    garbage: Garbage,
    /// The time that garbage had taken at the last poll or decision, ms.
    garbage_ms: Cell<Millis>,
    listeners: RefCell<Vec<Listener>>,
    /// The memory of the prepare handle, which libuv wants where it is.
    handle: Box<[u128]>,
    is_over: Cell<bool>,
}

thread_local! {
    static LOOP: RefCell<Option<Rc<EventLoop>>> = const { RefCell::new(None) };
}

impl EventLoop {
    /// The loop of this thread, watched from now on if it was not; None where the host does not let it be.
    fn of_thread(env: &Env) -> Result<Option<Rc<Self>>> {
        if let Some(known) = Self::watched() {
            return Ok(Some(known));
        }
        let Some(uv) = uv::uv() else { return Ok(None) };
        let uv_loop: Raw = env.get_uv_event_loop()?.cast();
        let clock = process::clock();
        // SAFETY: the loop is that of this thread, and alive.
        let (idle_ns, size) = unsafe { ((uv.idle_ns)(uv_loop), (uv.handle_size)(uv::PREPARE)) };
        if size == 0 || size > 4096 {
            return Ok(None);
        }
        let now_ms = clock.precise_ms();
        let event_loop = Rc::new(Self {
            stamps: Arc::new(LoopStamps::new(uv_loop, idle_ns, now_ms)),
            clock,
            uv,
            uv_loop,
            stalls: RefCell::default(),
            deaf: RefCell::new(Deaf::new(now_ms)),
            known_ms: Cell::new(now_ms),
            count: Cell::new(0),
            garbage: Garbage::new(clock),
            garbage_ms: Cell::new(0.0),
            listeners: RefCell::default(),
            handle: vec![0; size.div_ceil(size_of::<u128>())].into_boxed_slice(),
            is_over: Cell::new(false),
        });
        let handle = event_loop.raw_handle();
        // SAFETY: the handle's memory has the size that libuv wants, and lives until `closed`, which has the reference that is counted
        // here; the loop is this thread's.
        unsafe {
            if (uv.prepare_init)(uv_loop, handle) != 0 {
                return Ok(None);
            }
            let data = Rc::into_raw(Rc::clone(&event_loop));
            (uv.set_data)(handle, data.cast_mut().cast());
            (uv.prepare_start)(handle, prepared);
            (uv.unref)(handle);
        }
        let mut hook = ptr::null_mut();
        // SAFETY: the hook runs on this thread before the environment ends, while `closed` has not given back its reference.
        check_status!(unsafe {
            sys::napi_add_async_cleanup_hook(env.raw(), Some(ended), handle.cast(), &raw mut hook)
        })?;
        // SAFETY: `ended` unwatches before the reference that is counted above is given back.
        unsafe { event_loop.garbage.watch() };
        event_loop.garbage_ms.set(event_loop.garbage.total_ms());
        watchdog::watch(&event_loop.stamps);
        LOOP.with_borrow_mut(|place| *place = Some(Rc::clone(&event_loop)));
        Ok(Some(event_loop))
    }

    /// The loop of this thread, if it is watched.
    pub fn watched() -> Option<Rc<Self>> {
        LOOP.with_borrow(Clone::clone)
    }

    fn raw_handle(&self) -> Raw {
        self.handle.as_ptr().cast_mut().cast()
    }

    fn idle_ns(&self) -> u64 {
        // SAFETY: the loop is that of this thread; after its end nothing asks.
        if self.is_over.get() { 0 } else { unsafe { (self.uv.idle_ns)(self.uv_loop) } }
    }

    /// A decision is made now.
    #[inline]
    pub(super) fn stamp(&self, now_ms: Millis) {
        if now_ms - self.stamps.stamp_ms.get() >= LEAST_MS {
            self.check(now_ms, self.idle_ns());
        }
        if now_ms - self.known_ms.get() >= LEAST_MS {
            self.check_turn(now_ms);
        }
        self.stamps.stamp_ms.set(now_ms);
        self.garbage_ms.set(self.garbage.total_ms());
    }

    /// Adds a stall if the loop has been at work for as long.
    #[cold]
    fn check(&self, now_ms: Millis, idle_ns: u64) {
        let since_ms = self.stamps.busy_since_ms(idle_ns);
        if now_ms - since_ms < LEAST_MS || self.is_over.get() {
            return;
        }
        let frozen_ms = watchdog::frozen_ms(since_ms, now_ms);
        let stall = Stall { since_ms, until_ms: now_ms, frozen_ms };
        let mut stalls = self.stalls.borrow_mut();
        stalls.add(stall);
        let mut deaf = self.deaf.borrow_mut();
        deaf.stalled(&stall, self.stamps.turn_since_ms(idle_ns));
        self.known_ms.set(deaf.until_ms());
        self.count.set(deaf.count());
        let garbage_ms = self.garbage.total_ms() - self.garbage_ms.get();
        for listener in self.listeners.borrow_mut().iter_mut() {
            listener.write(&stall, garbage_ms);
        }
    }

    /// The loop has read nothing since its turn began, if that is long ago.
    #[cold]
    fn check_turn(&self, now_ms: Millis) {
        if self.is_over.get() {
            return;
        }
        let mut deaf = self.deaf.borrow_mut();
        deaf.read_nothing(self.stamps.turn_since_ms(self.idle_ns()), now_ms);
        self.known_ms.set(deaf.until_ms());
        self.count.set(deaf.count());
    }

    /// The loop goes to its poll.
    fn poll(&self) {
        let (now_ms, idle_ns) = (self.clock.precise_ms(), self.idle_ns());
        if now_ms - self.stamps.busy_since_ms(idle_ns) >= LEAST_MS {
            self.check(now_ms, idle_ns);
        }
        self.deaf.borrow_mut().turned(self.stamps.turn_since_ms(idle_ns), now_ms);
        self.known_ms.set(now_ms);
        self.stamps.poll(now_ms, idle_ns);
        self.garbage_ms.set(self.garbage.total_ms());
    }

    /// The time from `from_ms` to now in which the loop stalled, ms; 0 where the last stall is longer ago than what fails now was due.
    pub(super) fn lately_ms(&self, from_ms: Millis, now_ms: Millis) -> Millis {
        let stalls = self.stalls.borrow();
        if now_ms - stalls.ended_ms() > GRACE_MS { 0.0 } else { stalls.overlap_ms(from_ms, now_ms) }
    }
}

impl Listener {
    /// Records a stall that is over.
    fn write(&mut self, stall: &Stall, garbage_ms: Millis) {
        // SAFETY: the array stays inside the package, which never detaches it, and this is the thread that JavaScript runs on.
        let cells = unsafe { self.cells.as_mut() };
        let at = row::ROW + cells[row::COUNT] as usize % ROWS * ROW_CELLS;
        let own_ms = stall.own_ms();
        cells[at..at + ROW_CELLS].copy_from_slice(&[stall.since_ms, own_ms, stall.frozen_ms, garbage_ms]);
        cells[row::COUNT] += 1.0;
        cells[row::TOTAL_MS] += own_ms;
        cells[row::GARBAGE_MS] += garbage_ms;
        cells[row::LONGEST_MS] = cells[row::LONGEST_MS].max(own_ms);
        self.notify.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// Watches the event loop of this thread from now on. `cells` holds what is known of its stalls, `onStall` is called after each, and does not keep the
/// loop alive. False where it can't be watched.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
#[allow(clippy::needless_pass_by_value, reason = "the macro hands over what it made from the argument")]
pub fn watch_loop(env: Env, cells: Float64Array, on_stall: Function<'_, (), ()>) -> Result<bool> {
    if cells.len() != CELLS {
        return Err(napi::Error::from_reason(format!("cells must be {CELLS}, got {}", cells.len())));
    }
    let Some(event_loop) = EventLoop::of_thread(&env)? else { return Ok(false) };
    let mut listeners = event_loop.listeners.borrow_mut();
    if listeners.len() >= MOST_LISTENERS {
        return Ok(false);
    }
    let notify = on_stall.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
    listeners.push(Listener { cells, notify });
    Ok(true)
}

/// The number of the event loop of this thread, by which other threads look whether it is blocked; None: it is not watched.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code, reason = "tests have no module to register it in"))]
pub fn watched_loop() -> Option<u32> {
    Some(EventLoop::watched()?.stamps.number)
}

/// The callback of the prepare handle.
unsafe extern "C" fn prepared(handle: Raw) {
    panics::caught(|| {
        let Some(uv) = uv::uv() else { return };
        // SAFETY: the handle's data is the reference that `closed` gives back.
        let event_loop = unsafe { &*(uv.data)(handle).cast::<EventLoop>() };
        event_loop.poll();
    });
}

/// The environment ends: the loop is watched no longer, and its handle closed.
unsafe extern "C" fn ended(hook: sys::napi_async_cleanup_hook_handle, handle: *mut std::ffi::c_void) {
    panics::caught(|| {
        let Some(uv) = uv::uv() else { return };
        // SAFETY: the handle's data is the reference that `closed` gives back.
        let event_loop = unsafe { &*(uv.data)(handle).cast::<EventLoop>() };
        event_loop.is_over.set(true);
        watchdog::unwatch(&event_loop.stamps);
        event_loop.garbage.unwatch();
        event_loop.listeners.borrow_mut().clear();
        HOOK.set(hook);
        // SAFETY: the handle was made by `of_thread`, and is closed once.
        unsafe { (uv.close)(handle, closed) };
    });
}

thread_local! {
    static HOOK: Cell<sys::napi_async_cleanup_hook_handle> = const { Cell::new(ptr::null_mut()) };
}

/// The handle is closed: its memory may go.
unsafe extern "C" fn closed(handle: Raw) {
    panics::caught(|| {
        let Some(uv) = uv::uv() else { return };
        // SAFETY: the reference that `of_thread` counted, given back once.
        let event_loop = unsafe { Rc::from_raw((uv.data)(handle).cast::<EventLoop>()) };
        LOOP.with_borrow_mut(|place| *place = None);
        drop(event_loop);
        // SAFETY: the hook's own handle, once.
        unsafe { sys::napi_remove_async_cleanup_hook(HOOK.take()) };
    });
}
