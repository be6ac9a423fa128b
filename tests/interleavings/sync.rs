//! `src/sync.rs` with a scheduler in it: the face of `parking_lot::Mutex` over shuttle's.

pub use shuttle::sync::{
    MutexGuard,
    atomic::{AtomicU32, AtomicU64},
};

#[derive(Debug, Default)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no thread panicked")
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("no thread panicked")
    }
}
