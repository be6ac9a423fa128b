//! Panics: one ends the call it happened in, is kept for the log, and never ends the process.
//!
//! A panic that reached one of N-API's callbacks would abort the process, and the standard hook writes to stderr, which is the
//! host's. So every callback catches, and the hook of this library's own copy of the standard library keeps the first report
//! until JavaScript takes it. Which call is answered how is up to the caller: JavaScript gets an error, and admits.

use std::{
    any::Any,
    backtrace::Backtrace,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use napi_derive::napi;
use parking_lot::Mutex;

/// Reports made in the life of a process: a backtrace takes milliseconds, and one that repeats says nothing new.
const MOST_REPORTS: u32 = 16;

/// The report that JavaScript has not taken yet.
static REPORT: Mutex<Option<String>> = Mutex::new(None);
static REPORTS: AtomicU32 = AtomicU32::new(0);

/// Keeps reports from now on, in place of the standard hook. Once: later calls do nothing.
pub fn keep() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| panic::set_hook(Box::new(report)));
}

fn report(info: &PanicHookInfo<'_>) {
    // Counted before the lock: a panic within the hook would find it locked.
    if REPORTS.fetch_add(1, Ordering::Relaxed) >= MOST_REPORTS {
        REPORTS.store(MOST_REPORTS, Ordering::Relaxed);
        return;
    }
    let current = thread::current();
    let text = format!("{info}\nthread: {}\n{}", current.name().unwrap_or("of the host"), Backtrace::force_capture());
    if let Some(mut kept) = REPORT.try_lock() {
        kept.get_or_insert(text);
    }
}

/// Runs `f`; None where it panicked.
#[inline]
pub fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what a panic carried, which may panic itself.
#[cold]
#[inline(never)]
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = panic::catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(again);
    }
}

/// The report of the first panic since this was last asked: message, place, backtrace.
#[napi]
#[must_use]
pub fn take_panic() -> Option<String> {
    REPORT.lock().take()
}

#[cfg(test)]
mod tests {
    use super::{caught, keep, take_panic};

    /// Panics in its turn when it is dropped.
    struct Spiteful;

    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_caught_and_reported_once_with_a_backtrace() {
        keep();
        assert_eq!(caught(|| 5), Some(5));
        assert_eq!(caught(|| f64::clamp(1.0, 3.0, std::hint::black_box(2.0))), None);
        assert_eq!(caught(|| std::panic::panic_any(Spiteful)), None);
        let report = take_panic().unwrap();
        assert!(report.contains("min > max"), "{report}");
        assert!(report.contains("panics::tests::"), "{report}");
        assert_eq!(take_panic(), None);
        for _ in 0..100 {
            assert_eq!(caught(|| panic!("again")), None::<()>);
        }
        assert!(take_panic().is_some_and(|report| report.contains("again")));
        assert_eq!(caught(|| panic!("too often")), None::<()>);
        assert_eq!(take_panic(), None, "a backtrace takes milliseconds");
        drop(std::panic::take_hook());
    }
}
