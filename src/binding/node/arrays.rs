//! A batch in arrays of JavaScript's: the engine reads and writes them where they are.

use std::ptr;

use napi::sys;

use super::hot::Hot;
use crate::{
    binding::{batch, frame::cell},
    engine::Slot,
};

/// Ticks the routes of rows `from` to `to` of arrays, `stride` cells a result; what is more than a tick is noted in the batch. The
/// status is the number of notes, or −1, where nothing happened, for arrays that are not those, too short, or in the same memory.
///
/// # Safety
///
/// The arguments are values of this environment. No other thread may write what they hold.
pub unsafe fn route(hot: &Hot, env: sys::napi_env, args: &[sys::napi_value; 6]) {
    let &[slots, readings, results, from, to, stride] = args;
    let now = hot.with(|_, cells, now| {
        cells[cell::STATUS] = -1.0;
        *now
    });
    // SAFETY: passed on to the caller.
    let noted = unsafe {
        let [from, to, stride] = [from, to, stride].map(|value| index(env, value));
        let slots = elements::<Slot>(env, slots, sys::TypedarrayType::uint32_array);
        let readings = elements::<f64>(env, readings, sys::TypedarrayType::float64_array);
        let results = elements::<f64>(env, results, sys::TypedarrayType::float64_array);
        let parts = (part(slots, from, to, 1), part(readings, from, to, 3), part(results, from, to, stride));
        let (Some(slots), Some(readings), Some(results)) = parts else { return };
        if overlaps(results, slots) || overlaps(results, readings) {
            return;
        }
        hot.with_batch(|handle, notes| batch::route_arrays(handle, &*slots, &*readings, &mut *results, notes, &now))
    };
    if let Some(noted) = noted {
        hot.with(|_, cells, _| cells[cell::STATUS] = noted as f64);
    }
}

/// The number in a value; 0 where it is none.
///
/// # Safety
///
/// It is a value of this environment.
unsafe fn index(env: sys::napi_env, value: sys::napi_value) -> usize {
    let mut number = 0;
    // SAFETY: passed on to the caller; where it fails, `number` stays.
    unsafe { sys::napi_get_value_uint32(env, value, &raw mut number) };
    number as usize
}

/// The memory of a typed array; empty where the value is none of that type.
///
/// # Safety
///
/// It is a value of this environment, and `T` is what arrays of that type hold.
unsafe fn elements<T>(env: sys::napi_env, value: sys::napi_value, wanted: sys::napi_typedarray_type) -> *mut [T] {
    let (mut found, mut length, mut data) = (0, 0, ptr::null_mut());
    let none = ptr::null_mut();
    // SAFETY: passed on to the caller; where it fails, `data` stays null.
    unsafe {
        sys::napi_get_typedarray_info(env, value, &raw mut found, &raw mut length, &raw mut data, none, ptr::null_mut())
    };
    let is_wanted = found == wanted && !data.is_null();
    ptr::slice_from_raw_parts_mut(data.cast(), if is_wanted { length } else { 0 })
}

/// The cells of rows `from` to `to`, `stride` a row; None where there are none, or not as many.
///
/// # Safety
///
/// `all` is the memory of an array, or empty.
unsafe fn part<T>(all: *mut [T], from: usize, to: usize, stride: usize) -> Option<*mut [T]> {
    let (first, end) = (from.checked_mul(stride)?, to.checked_mul(stride)?);
    if first >= end || end > all.len() {
        return None;
    }
    // SAFETY: within the array.
    Some(ptr::slice_from_raw_parts_mut(unsafe { all.cast::<T>().add(first) }, end - first))
}

/// Returns whether two arrays share memory.
fn overlaps<A, B>(one: *mut [A], other: *mut [B]) -> bool {
    let (start, other_start) = (one.cast::<u8>().addr(), other.cast::<u8>().addr());
    start < other_start + other.len() * size_of::<B>() && other_start < start + one.len() * size_of::<A>()
}
