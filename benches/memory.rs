//! The memory of a million routes, measured by a counting allocator: state and links, keys, the map's slots.
//!
//! Keys and map are measured alone first, made the same way; what the engine takes beyond them is state and links. Prints
//! one line of JSON, bytes a route.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

use atrion::engine::{ENTRY_BYTES, Handle, Limits, Name, Slot};
use dashmap::DashMap;

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe to write; this one only counts and passes on")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUTES: usize = 1_000_000;

fn name(i: usize) -> Name {
    Name::from(format!("GET /route/{i:07}").as_str())
}

/// Bytes a route that `make` leaves allocated, and what it made.
fn bytes_of<T>(make: impl FnOnce() -> T) -> (f64, T) {
    let before = LIVE.load(Ordering::Relaxed);
    let made = black_box(make());
    let after = LIVE.load(Ordering::Relaxed);
    ((after - before) as f64 / ROUTES as f64, made)
}

fn main() {
    let mut names: Vec<Name> = Vec::with_capacity(ROUTES);
    let (keys, ()) = bytes_of(|| names.extend((0..ROUTES).map(name)));
    let (slots, map) = bytes_of(|| {
        let map: DashMap<Name, Slot> = DashMap::default();
        for (i, name) in names.iter().enumerate() {
            map.insert(name.clone(), i as Slot);
        }
        map
    });
    drop(map);
    // The table's names by slot: a pointer to the key, 16 bytes, in a vector that has grown by doubling.
    let (pointers, list) = bytes_of(|| {
        let mut list: Vec<Option<Name>> = Vec::new();
        for name in &names {
            list.push(Some(name.clone()));
        }
        list
    });
    drop(list);
    drop(names);
    let (total, handle) = bytes_of(|| {
        let mut handle = Handle::alone(Limits::of_routes(ROUTES as u32));
        for i in 0..ROUTES {
            handle.intern(name(i), 0.0);
        }
        handle
    });
    assert_eq!(handle.engine().len(), ROUTES, "every route is there");
    let state = total - keys - slots - pointers;
    println!(
        "{{\"routes\":{ROUTES},\"total\":{total:.1},\"keys\":{keys:.1},\"keyPointers\":{pointers:.1},\"mapSlots\":{slots:.1},\"state\":{state:.1},\"entryBytes\":{ENTRY_BYTES}}}"
    );
}
