//! The hot path: functions without arguments or results over a frame that both sides see.
//!
//! A function registered by hand costs a third of one made by `#[napi]`, and a cell of shared memory nothing, so the hot
//! path is this: JavaScript writes cells, calls, reads cells. A [`Hot`] belongs to one thread, the one that made it.

use std::{cell::UnsafeCell, ffi::c_void, ptr, rc::Rc};

use napi::{
    Env, Result,
    bindgen_prelude::{Float64Array, FromNapiValue, Function, JsObjectValue, Object},
    check_status, sys,
};

use super::{arrays, event_loop::EventLoop, panics, process, watched::Watched};
use crate::{
    binding::{
        acquire, batch,
        frame::{self, Cells, FRAME_CELLS, cell},
    },
    clock::{MonotonicClock, Now},
    engine::{Handle, PermitId, Slot},
    units::Millis,
};

/// The state that the hot functions of one engine share.
pub struct Hot {
    inner: UnsafeCell<Inner>,
}

pub struct Inner {
    pub handle: Handle,
    pub clock: MonotonicClock,
    frame: Shared,
    batch: Shared,
    /// The event loop of its thread, where that is watched and counts.
    watched: Option<Watched>,
}

/// Added to an outcome: the permit was that of a call of another service, which a stall of the event loop excuses.
const CALL: u32 = 8;

/// Memory of a Float64Array that JavaScript never detaches (it stays inside the package) and that is kept alive here.
struct Shared {
    data: *mut f64,
    len: usize,
    /// Owns the memory behind `data`.
    _owner: Float64Array,
}

impl Shared {
    fn new(mut array: Float64Array) -> Self {
        // SAFETY: only the address is taken; it is read and written by `cells` alone, on the thread JavaScript runs on.
        let cells = unsafe { array.as_mut() };
        Self { data: cells.as_mut_ptr(), len: cells.len(), _owner: array }
    }

    /// The cells.
    ///
    /// # Safety
    ///
    /// No JavaScript may run while the slice lives, and no other slice of the same memory may.
    unsafe fn cells(&mut self) -> &mut [f64] {
        // SAFETY: `_owner` keeps the allocation alive and its backing store does not move; the caller excludes aliases.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

impl Inner {
    /// The frame, and the handle to decide with.
    ///
    /// # Safety
    ///
    /// As [`Shared::cells`].
    unsafe fn split(&mut self) -> (&mut Handle, &mut Cells, Now) {
        // SAFETY: passed on to the caller; the length was checked when the frame came in.
        let cells: &mut Cells = unsafe { self.frame.cells() }.try_into().expect("length checked by Hot::new");
        let now = Now::new(cells[cell::NOW], self.clock);
        (&mut self.handle, cells, now)
    }
}

impl Hot {
    /// Takes a frame of [`FRAME_CELLS`] cells and a batch of any length.
    pub fn new(handle: Handle, frame: Float64Array, batch: Float64Array) -> Result<Rc<Self>> {
        if frame.len() != FRAME_CELLS {
            return Err(napi::Error::from_reason(format!("frame must have {FRAME_CELLS} cells, got {}", frame.len())));
        }
        let inner = Inner {
            handle,
            clock: process::clock(),
            frame: Shared::new(frame),
            batch: Shared::new(batch),
            watched: None,
        };
        Ok(Rc::new(Self { inner: UnsafeCell::new(inner) }))
    }

    /// Runs `f` with what is inside and the frame; `f` must not call JavaScript.
    pub fn with<T>(&self, f: impl FnOnce(&mut Handle, &mut Cells, &Now) -> T) -> T {
        // SAFETY: `Hot` is neither Send nor Sync, every entry runs to its end without calling JavaScript, so this is
        // the only live reference to what is inside.
        let inner = unsafe { &mut *self.inner.get() };
        // SAFETY: the same.
        let (handle, cells, now) = unsafe { inner.split() };
        f(handle, cells, &now)
    }

    /// Runs `f` as [`Hot::with`] does, at a decision: the loop is stamped with it, unless the time is a caller's own.
    #[inline]
    fn decide(&self, f: impl FnOnce(&mut Handle, &mut Cells, &Now, Option<&Watched>)) {
        // SAFETY: as in `with`.
        let inner = unsafe { &mut *self.inner.get() };
        let Inner { handle, clock, frame, watched, .. } = inner;
        // SAFETY: as in `with`; the length was checked by `new`.
        let cells: &mut Cells = unsafe { frame.cells() }.try_into().expect("length checked by Hot::new");
        let mut now = Now::new(cells[cell::NOW], *clock);
        let watched = watched.as_mut().filter(|_| cells[cell::NOW].is_nan());
        match watched {
            None => f(handle, cells, &now, None),
            Some(watched) => {
                let now_ms = now.precise_ms();
                watched.stamp(handle, cells, now_ms);
                now = Now::new(now_ms, *clock);
                f(handle, cells, &now, Some(watched));
            }
        }
    }

    /// The stalls that the engine has learnt of since this was last called: the beginning and the end of each, ms.
    pub fn take_stalls(&self) -> Vec<Millis> {
        // SAFETY: as in `with`.
        let inner = unsafe { &mut *self.inner.get() };
        inner.watched.as_mut().map_or_else(Vec::new, Watched::take_stalls)
    }

    /// Watches the event loop of this thread with what is watched already; false where it is not.
    pub fn watch(&self) -> bool {
        // SAFETY: as in `with`.
        let inner = unsafe { &mut *self.inner.get() };
        if inner.watched.is_none() {
            inner.watched = EventLoop::watched().map(Watched::new);
        }
        inner.watched.is_some()
    }

    /// The time of a permit, which fails now, in which the loop stalled, if it stalled just now, ms; its age into the frame.
    pub fn stalled_ms(&self, permit: PermitId) -> Millis {
        let mut stalled_ms = 0.0;
        self.decide(|handle, cells, now, watched| {
            let (Some(watched), Some(admitted_ms)) = (watched, handle.admitted_ms(permit)) else { return };
            cells[cell::AGE_MS] = now.precise_ms() - admitted_ms;
            stalled_ms = watched.lately_ms(admitted_ms, now.precise_ms());
        });
        stalled_ms
    }

    /// Runs `f` with what is inside and the batch; `f` must not call JavaScript.
    pub fn with_batch<T>(&self, f: impl FnOnce(&mut Handle, &mut [f64]) -> T) -> T {
        // SAFETY: as in `with`.
        let inner = unsafe { &mut *self.inner.get() };
        // SAFETY: as in `with`.
        let cells = unsafe { inner.batch.cells() };
        f(&mut inner.handle, cells)
    }

    /// Runs `f` with the engine and the cells of an array; `f` must not call JavaScript.
    pub fn with_rows<T>(&self, mut rows: Float64Array, f: impl FnOnce(&Handle, &mut [f64]) -> T) -> T {
        // SAFETY: JavaScript waits for this call, and `f` runs none, so nothing else reads or writes the array meanwhile.
        let cells = unsafe { rows.as_mut() };
        self.with(|handle, _, _| f(handle, cells))
    }

    fn route_batch(&self) {
        let (cells, now) = self.with(|_, cells, now| (cells[cell::SLOT] as usize * frame::ROW_CELLS, *now));
        self.with_batch(|handle, batch| {
            let cells = cells.min(batch.len());
            batch::route_batch(handle, &mut batch[..cells], &now);
        });
    }

    /// An object with the hot functions.
    pub fn functions<'env>(self: &Rc<Self>, env: &'env Env) -> Result<Object<'env>> {
        let mut functions = Object::new(env)?;
        self.register(env, &mut functions, "route", route)?;
        self.register(env, &mut functions, "routeBatch", route_batch)?;
        self.register(env, &mut functions, "routeArrays", route_arrays)?;
        self.register(env, &mut functions, "acquire", acquire)?;
        self.register(env, &mut functions, "release", release_permit)?;
        self.register(env, &mut functions, "nothing", nothing)?;
        Ok(functions)
    }

    fn register(self: &Rc<Self>, env: &Env, to: &mut Object, name: &str, callback: RawCallback) -> Result<()> {
        let mut function = ptr::null_mut();
        let data = Rc::into_raw(Rc::clone(self)).cast_mut().cast::<c_void>();
        // SAFETY: `name` outlives the call; `data` is a counted reference, given back by the finalizer below.
        check_status!(unsafe {
            sys::napi_create_function(
                env.raw(),
                name.as_ptr().cast(),
                name.len() as isize,
                Some(callback),
                data,
                &raw mut function,
            )
        })?;
        // SAFETY: `function` was made just now; the finalizer runs once, on this thread.
        check_status!(unsafe {
            sys::napi_add_finalizer(env.raw(), function, data, Some(release), ptr::null_mut(), ptr::null_mut())
        })?;
        // SAFETY: `function` is a function of this environment.
        let function = unsafe { Function::<(), ()>::from_napi_value(env.raw(), function)? };
        to.set_named_property(name, function)
    }
}

type RawCallback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// The finalizer of a hot function: gives back its reference.
unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: `data` came from `Rc::into_raw` in `register`, and this is its only finalizer.
    let hot = unsafe { Rc::from_raw(data.cast::<Hot>()) };
    panics::caught(move || drop(hot));
}

/// Runs a hot function. One that panics throws into JavaScript, which admits; the route that it was about, whose state may
/// have been left halfway, is forgotten.
#[inline(always)]
fn guarded(env: sys::napi_env, hot: &Hot, f: impl FnOnce(&Hot), route_of: fn(&Handle, &Cells) -> Option<Slot>) {
    if panics::caught(|| f(hot)).is_none() {
        failed(env, hot, route_of);
    }
}

#[cold]
#[inline(never)]
fn failed(env: sys::napi_env, hot: &Hot, route_of: fn(&Handle, &Cells) -> Option<Slot>) {
    panics::caught(|| {
        hot.with(|handle, cells, _| {
            if let Some(slot) = route_of(handle, cells) {
                handle.remove(slot);
            }
        });
    });
    // SAFETY: both are C strings that outlive the call; what it returns says only whether an error was pending already.
    unsafe { sys::napi_throw_error(env, c"ATRION_PANIC".as_ptr(), c"the engine panicked".as_ptr()) };
}

fn slot_in_frame(handle: &Handle, cells: &Cells) -> Option<Slot> {
    let slot = cells[cell::SLOT] as Slot;
    handle.name(slot).map(|_| slot)
}

fn slot_of_permit(handle: &Handle, cells: &Cells) -> Option<Slot> {
    handle.slot_of(cells[cell::PERMIT] as PermitId)
}

/// The engine that a hot function was registered with.
///
/// # Safety
///
/// Only from a callback registered by `Hot::register`, whose function keeps the `Hot` alive during the call.
#[inline]
unsafe fn hot<'a>(env: sys::napi_env, info: sys::napi_callback_info) -> &'a Hot {
    let mut data = ptr::null_mut();
    // SAFETY: null says that arguments and `this` are not wanted.
    unsafe { sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data) };
    // SAFETY: `data` is the counted reference of `register`.
    unsafe { &*data.cast::<Hot>() }
}

unsafe extern "C" fn route(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: registered by `Hot::register`.
    let hot = unsafe { hot(env, info) };
    guarded(env, hot, |hot| hot.with(frame::route), slot_in_frame);
    ptr::null_mut()
}

unsafe extern "C" fn acquire(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: registered by `Hot::register`.
    let hot = unsafe { hot(env, info) };
    guarded(env, hot, |hot| hot.decide(|handle, cells, now, _| acquire::acquire(handle, cells, now)), slot_in_frame);
    ptr::null_mut()
}

unsafe extern "C" fn release_permit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: registered by `Hot::register`.
    let hot = unsafe { hot(env, info) };
    guarded(env, hot, |hot| hot.decide(release_excused), slot_of_permit);
    ptr::null_mut()
}

/// Releases the permit in the frame, and excuses it first where it was that of a call.
#[inline]
fn release_excused(handle: &mut Handle, cells: &mut Cells, now: &Now, watched: Option<&Watched>) {
    let outcome = cells[cell::OUTCOME] as u32;
    if outcome & CALL != 0 {
        let is_answer = outcome & !CALL <= 1;
        cells[cell::OUTCOME] = f64::from(outcome & !CALL);
        let permit = cells[cell::PERMIT] as PermitId;
        cells[cell::EXCUSED_MS] =
            watched.map_or(0.0, |watched| watched.excuse(handle, permit, is_answer, now.precise_ms()));
    }
    frame::release(handle, cells, now);
}

unsafe extern "C" fn route_batch(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: registered by `Hot::register`.
    let hot = unsafe { hot(env, info) };
    guarded(env, hot, Hot::route_batch, |_, _| None);
    ptr::null_mut()
}

unsafe extern "C" fn route_arrays(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut data, mut args) = (ptr::null_mut(), [ptr::null_mut(); 6]);
    let mut count = args.len();
    // SAFETY: `args` has room for `count` values; those that are not given are undefined.
    unsafe { sys::napi_get_cb_info(env, info, &raw mut count, args.as_mut_ptr(), ptr::null_mut(), &raw mut data) };
    // SAFETY: registered by `Hot::register`.
    let hot = unsafe { &*data.cast::<Hot>() };
    // SAFETY: the package calls it with arrays that no other thread has, and waits for it.
    guarded(env, hot, |hot| unsafe { arrays::route(hot, env, &args) }, |_, _| None);
    ptr::null_mut()
}

/// Crosses and comes back: what every call costs before it does anything.
unsafe extern "C" fn nothing(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: registered by `Hot::register`.
    let _ = unsafe { hot(env, info) };
    ptr::null_mut()
}
