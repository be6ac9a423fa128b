//! A fleet in WebAssembly: a module of its own, whose memory is taken once, so that JavaScript's views of it never detach.

use std::cell::UnsafeCell;

use crate::{
    binding::{fleet, heap::Heap},
    simd::InstructionSet,
};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// The fleet of this instance.
struct Instance {
    block: UnsafeCell<Vec<f64>>,
    modes: UnsafeCell<Vec<u8>>,
}

// SAFETY: this target has no threads.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance { block: UnsafeCell::new(Vec::new()), modes: UnsafeCell::new(Vec::new()) };

/// Takes the memory of so many routes. Once, before anything else.
#[unsafe(no_mangle)]
extern "C" fn create(routes: usize) {
    // SAFETY: one thread, and no export runs inside another: these are the only references.
    let (block, modes) = unsafe { (&mut *INSTANCE.block.get(), &mut *INSTANCE.modes.get()) };
    block.resize(fleet::block_cells(routes), 0.0);
    modes.resize(routes, 0);
}

/// The address of the block.
#[unsafe(no_mangle)]
extern "C" fn block() -> *const f64 {
    // SAFETY: as in `create`.
    unsafe { (*INSTANCE.block.get()).as_ptr() }
}

/// The address of the modes.
#[unsafe(no_mangle)]
extern "C" fn modes() -> *const u8 {
    // SAFETY: as in `create`.
    unsafe { (*INSTANCE.modes.get()).as_ptr() }
}

/// Ticks the fleet in the block.
#[unsafe(no_mangle)]
extern "C" fn tick() {
    // SAFETY: as in `create`.
    let (block, modes) = unsafe { (&mut *INSTANCE.block.get(), &mut *INSTANCE.modes.get()) };
    fleet::tick(block, modes, InstructionSet::NATIVE);
}

/// Has the time of the fleet in the block pass.
#[unsafe(no_mangle)]
extern "C" fn sweep() {
    // SAFETY: as in `create`.
    let (block, modes) = unsafe { (&mut *INSTANCE.block.get(), &mut *INSTANCE.modes.get()) };
    fleet::sweep(block, modes, InstructionSet::NATIVE);
}
