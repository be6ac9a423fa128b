//! Route names where they live outside: JavaScript keeps them in a Map of its own, beside the module, and asks for a slot
//! only when a name is new to it. What is left here is how much memory they take, so that the same names go first.
//!
//! Hashing and spelling names in here would take more room than the physics does.

use super::table::Slot;

/// As many bytes of a name as the real one has in generalised UTF-8.
#[derive(Debug, Clone)]
pub struct Name(usize);

impl Name {
    /// A name of so many bytes.
    #[must_use]
    pub fn of_bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Bytes of the name itself.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0
    }

    /// Is it empty?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// Knows no name.
#[derive(Debug, Default)]
pub struct Names {}

#[allow(clippy::unused_self, reason = "the face of the map that is kept elsewhere")]
impl Names {
    pub fn get(&self, _: &Name) -> Option<Slot> {
        None
    }
    pub fn insert(&self, _: Name, _: Slot) {}
    pub fn remove(&self, _: &Name) {}
}
