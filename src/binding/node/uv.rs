//! The functions of libuv that the host exports, found when they are first needed: an addon that linked them would not load where the
//! host has none.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::OnceLock,
};

/// A handle or a loop of libuv.
pub type Raw = *mut c_void;
/// A callback of a handle.
pub type Callback = unsafe extern "C" fn(Raw);

/// The type of a prepare handle, in libuv's enumeration: part of its ABI.
pub const PREPARE: c_int = 9;

/// The functions.
pub struct Uv {
    /// The time that a loop has slept so far, ns, the present sleep included. Any thread may ask.
    pub idle_ns: unsafe extern "C" fn(Raw) -> u64,
    pub handle_size: unsafe extern "C" fn(c_int) -> usize,
    pub prepare_init: unsafe extern "C" fn(Raw, Raw) -> c_int,
    pub prepare_start: unsafe extern "C" fn(Raw, Callback) -> c_int,
    pub unref: unsafe extern "C" fn(Raw),
    pub close: unsafe extern "C" fn(Raw, Callback),
    pub set_data: unsafe extern "C" fn(Raw, Raw),
    pub data: unsafe extern "C" fn(Raw) -> Raw,
}

/// The functions; None in a host that does not export them all.
pub fn uv() -> Option<&'static Uv> {
    static UV: OnceLock<Option<Uv>> = OnceLock::new();
    UV.get_or_init(find).as_ref()
}

/// The address of a function that the host exports, as what `T` says that it is; None where it does not.
///
/// # Safety
///
/// `T` must be a pointer to a function of the signature that the function of that name has.
pub unsafe fn function<T: Copy>(name: &CStr) -> Option<T> {
    const { assert!(size_of::<T>() == size_of::<Raw>()) };
    let address = address_of(name.as_ptr());
    // SAFETY: `T` has the size of an address, and is what the caller says.
    (!address.is_null()).then(|| unsafe { std::mem::transmute_copy::<Raw, T>(&address) })
}

fn find() -> Option<Uv> {
    // SAFETY: the signatures are those of libuv 1.39 and later, which every Node that loads this addon has.
    unsafe {
        Some(Uv {
            idle_ns: function(c"uv_metrics_idle_time")?,
            handle_size: function(c"uv_handle_size")?,
            prepare_init: function(c"uv_prepare_init")?,
            prepare_start: function(c"uv_prepare_start")?,
            unref: function(c"uv_unref")?,
            close: function(c"uv_close")?,
            set_data: function(c"uv_handle_set_data")?,
            data: function(c"uv_handle_get_data")?,
        })
    }
}

#[cfg(unix)]
fn address_of(name: *const c_char) -> Raw {
    #[cfg(target_vendor = "apple")]
    const EVERYWHERE: Raw = std::ptr::without_provenance_mut(usize::MAX - 1);
    #[cfg(not(target_vendor = "apple"))]
    const EVERYWHERE: Raw = std::ptr::null_mut();
    unsafe extern "C" {
        fn dlsym(handle: Raw, name: *const c_char) -> Raw;
    }
    // SAFETY: the name is a C string; the system's library has this function wherever there are shared objects.
    unsafe { dlsym(EVERYWHERE, name) }
}

#[cfg(windows)]
fn address_of(name: *const c_char) -> Raw {
    unsafe extern "system" {
        fn GetModuleHandleW(name: *const u16) -> Raw;
        fn GetProcAddress(module: Raw, name: *const c_char) -> Raw;
    }
    // SAFETY: null stands for the program itself; the name is a C string.
    unsafe { GetProcAddress(GetModuleHandleW(std::ptr::null()), name) }
}
