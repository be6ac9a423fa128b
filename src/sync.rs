//! The parts that threads share: a lock and atomic numbers where the target has threads, a cell where it has none.
//!
//! `tests/interleavings` compiles the engine and the mailbox again with others in its place, which let a scheduler choose who goes on.

#[cfg(not(target_family = "wasm"))]
pub use parking_lot::{Mutex, MutexGuard};
#[cfg(not(target_family = "wasm"))]
pub use std::sync::atomic::{AtomicU32, AtomicU64};

#[cfg(target_family = "wasm")]
pub use single::Mutex;

#[cfg(target_family = "wasm")]
mod single {
    use std::cell::{RefCell, RefMut};

    /// `parking_lot::Mutex`'s face over a cell.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(RefCell<T>);

    impl<T> Mutex<T> {
        /// A lock around `value`.
        pub fn new(value: T) -> Self {
            Self(RefCell::new(value))
        }
        /// The value, without waiting.
        pub fn lock(&self) -> RefMut<'_, T> {
            self.0.borrow_mut()
        }
        /// The value of an exclusively held lock.
        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut()
        }
    }
}
