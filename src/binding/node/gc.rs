//! Collections of garbage, as the host's V8 reports them: the functions are found when they are first needed, as those of libuv are. They
//! are no part of N-API; where a host does not export them, what was spent on garbage is not known.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    sync::OnceLock,
};

use super::uv::{Raw, function};
use crate::{clock::MonotonicClock, units::Millis};

/// All kinds of collections, in V8's enumeration.
const ALL: c_int = 31;

type Callback = unsafe extern "C" fn(isolate: Raw, kind: c_int, flags: c_int, data: Raw);

/// The functions of V8's `Isolate`, whose methods take it first.
struct V8 {
    current: unsafe extern "C" fn() -> Raw,
    add_prologue: unsafe extern "C" fn(Raw, Callback, Raw, c_int),
    add_epilogue: unsafe extern "C" fn(Raw, Callback, Raw, c_int),
    remove_prologue: unsafe extern "C" fn(Raw, Callback, Raw),
    remove_epilogue: unsafe extern "C" fn(Raw, Callback, Raw),
}

fn v8() -> Option<&'static V8> {
    static FOUND: OnceLock<Option<V8>> = OnceLock::new();
    FOUND.get_or_init(find).as_ref()
}

fn find() -> Option<V8> {
    // SAFETY: a name of C++ has the types of its arguments: where it is found, they are these.
    unsafe {
        Some(V8 {
            current: function(c"_ZN2v87Isolate10GetCurrentEv")?,
            add_prologue: function(
                c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
            add_epilogue: function(
                c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
            remove_prologue: function(
                c"_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
            remove_epilogue: function(
                c"_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
        })
    }
}

/// The time that a thread has spent on garbage.
#[derive(Debug)]
pub struct Garbage {
    clock: MonotonicClock,
    /// The thread's isolate while it is watched.
    isolate: Cell<Raw>,
    /// So far, ms.
    total_ms: Cell<Millis>,
    /// The beginning of the present collection, ms; NaN: there is none.
    since_ms: Cell<Millis>,
}

impl Garbage {
    /// Nothing is counted until it is watched.
    pub fn new(clock: MonotonicClock) -> Self {
        Self {
            clock,
            isolate: Cell::new(std::ptr::null_mut()),
            total_ms: Cell::new(0.0),
            since_ms: Cell::new(f64::NAN),
        }
    }

    /// Counts the collections of this thread from now on, where the host lets it.
    ///
    /// # Safety
    ///
    /// The value must stay where it is, on this thread, until [`Garbage::unwatch`] was called.
    pub unsafe fn watch(&self) {
        let Some(v8) = v8() else { return };
        let data: Raw = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the isolate is this thread's, which runs JavaScript; the callbacks get what they are registered with.
        unsafe {
            let isolate = (v8.current)();
            if isolate.is_null() {
                return;
            }
            (v8.add_prologue)(isolate, begins, data, ALL);
            (v8.add_epilogue)(isolate, ends, data, ALL);
            self.isolate.set(isolate);
        }
    }

    /// Counts no longer.
    pub fn unwatch(&self) {
        let isolate = self.isolate.replace(std::ptr::null_mut());
        let (Some(v8), false) = (v8(), isolate.is_null()) else { return };
        let data: Raw = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the isolate is this thread's, and still there: its environment ends now.
        unsafe {
            (v8.remove_prologue)(isolate, begins, data);
            (v8.remove_epilogue)(isolate, ends, data);
        }
    }

    /// The time spent so far, ms; NaN where it is not known.
    pub fn total_ms(&self) -> Millis {
        if self.isolate.get().is_null() { f64::NAN } else { self.total_ms.get() }
    }
}

/// A collection begins. It may call neither JavaScript nor V8.
unsafe extern "C" fn begins(_isolate: Raw, _kind: c_int, _flags: c_int, data: Raw) {
    // SAFETY: see `Garbage::watch`.
    let garbage = unsafe { &*data.cast::<Garbage>() };
    if garbage.since_ms.get().is_nan() {
        garbage.since_ms.set(garbage.clock.precise_ms());
    }
}

/// A collection ends.
unsafe extern "C" fn ends(_isolate: Raw, _kind: c_int, _flags: c_int, data: Raw) {
    // SAFETY: see `Garbage::watch`.
    let garbage = unsafe { &*data.cast::<Garbage>() };
    let took_ms = garbage.clock.precise_ms() - garbage.since_ms.replace(f64::NAN);
    if took_ms > 0.0 {
        garbage.total_ms.set(garbage.total_ms.get() + took_ms);
    }
}
