//! The memory of a wasm module: blocks of a power of two, given back to a list of their size and taken from there again.
//!
//! An engine allocates little: vectors that double, blocks of routes, a box for each closed loop, all near powers of two,
//! so that hardly anything is lost to rounding. The general allocator of the standard library would be a sixth of the
//! whole module.

use std::{
    alloc::{GlobalAlloc, Layout},
    arch::wasm32::{memory_grow, memory_size},
    cell::UnsafeCell,
    ptr,
};

const PAGE: usize = 1 << 16;
/// Smallest block: it holds what the engine holds most aligned, and a link of its list.
const SMALLEST: usize = 16;
/// Memory grows by at least so many pages: each growth costs the views of JavaScript.
const GROWTH_PAGES: usize = 4;

unsafe extern "C" {
    /// The end of the linker's own data; its address is all there is to it.
    static __heap_base: u8;
}

/// See the module.
pub struct Heap {
    /// For each power of two, blocks that were given back; each holds the address of the next.
    free: UnsafeCell<[*mut u8; usize::BITS as usize]>,
    /// Memory from here on was never used; 0 before the first use.
    unused: UnsafeCell<usize>,
}

// SAFETY: this target has no threads.
unsafe impl Sync for Heap {}

impl Heap {
    /// A heap of everything that follows the linker's data.
    pub const fn new() -> Self {
        Self { free: UnsafeCell::new([ptr::null_mut(); usize::BITS as usize]), unused: UnsafeCell::new(0) }
    }
}

/// The exponent of the block that such a layout fits in.
#[inline]
fn class_of(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(SMALLEST);
    (usize::BITS - (size - 1).leading_zeros()) as usize
}

/// A block that was never used; null when there is no memory left.
#[cold]
fn carve(unused: &mut usize, size: usize) -> *mut u8 {
    if *unused == 0 {
        *unused = (&raw const __heap_base) as usize;
    }
    // Blocks up to a page are aligned to their size; nothing asks for more.
    let align = size.min(PAGE);
    let Some(start) = unused.checked_add(align - 1).map(|past| past & !(align - 1)) else { return ptr::null_mut() };
    let Some(end) = start.checked_add(size) else { return ptr::null_mut() };
    // In pages: in bytes, a memory of 4 GiB would count as none.
    let missing = end.div_ceil(PAGE).saturating_sub(memory_size(0));
    if missing > 0 && memory_grow(0, missing.max(GROWTH_PAGES)) == usize::MAX && memory_grow(0, missing) == usize::MAX {
        return ptr::null_mut();
    }
    *unused = end;
    start as *mut u8
}

#[allow(clippy::cast_ptr_alignment, reason = "every block is aligned to at least SMALLEST")]
// SAFETY: a block is in one hand at a time: `alloc` takes it off its list, or carves it where nothing was, and `dealloc`
// puts it back; class_of gives the same class for the same layout, so it returns to the list it is as large as.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class_of(layout);
        // SAFETY: one thread, and nothing in here allocates: the only reference.
        let free = unsafe { &mut (*self.free.get())[class % usize::BITS as usize] };
        let block = *free;
        if block.is_null() {
            // SAFETY: as above.
            return carve(unsafe { &mut *self.unused.get() }, 1 << class);
        }
        // SAFETY: a block on a list holds the address of the next, and is aligned to at least its 16 bytes.
        *free = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let free = unsafe { &mut (*self.free.get())[class_of(layout) % usize::BITS as usize] };
        // SAFETY: the block has at least 16 bytes, aligned, and is nobody's any more.
        unsafe { block.cast::<*mut u8>().write(*free) };
        *free = block;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps `size` within what a layout may be.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if class_of(wanted) == class_of(layout) {
            return block;
        }
        // SAFETY: `wanted` is as valid as the caller's size.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks hold so many bytes, and they are different ones; the old one is given up.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}
