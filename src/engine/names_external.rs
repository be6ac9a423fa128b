//! Route names kept outside the engine: JavaScript keeps them in a Map of its own, beside the module, and interns only names
//! that are new to it. Kept here is how much memory they take, so that evictions are those of the other build.
//!
//! Hashing and spelling names in here would take more room than the physics does.

use super::ids::Slot;

/// The size of a name in generalised UTF-8.
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

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// The empty map: names are kept outside.
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
