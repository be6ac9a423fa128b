//! The laws by number, where one handle is all there is: it keeps them itself, and has no copy to bring up to date.

use crate::physics::law::Law;

/// Most laws an engine takes: their number is 16 bits in a route's state.
const MAX_LAWS: usize = 1 << 16;

/// What handles share of the laws: nothing.
#[derive(Debug, Default)]
pub struct Laws {}

/// Every law that a route may be governed by; never empty.
#[derive(Debug)]
pub struct LawCache {
    laws: Vec<Law>,
}

#[allow(clippy::unused_self, clippy::large_types_passed_by_value, reason = "the face of the copy that threads keep")]
impl LawCache {
    /// The default law.
    pub fn new(_: &Laws) -> Self {
        Self { laws: vec![Law::default()] }
    }

    /// Adds a law, or replaces law `id`. None when there is no such law, or no room for another.
    pub fn define(&mut self, _: &Laws, law: Law, id: Option<u16>) -> Option<u16> {
        match id {
            Some(id) => {
                *self.laws.get_mut(usize::from(id))? = law;
                Some(id)
            }
            None if self.laws.len() < MAX_LAWS => {
                self.laws.push(law);
                Some((self.laws.len() - 1) as u16)
            }
            None => None,
        }
    }

    /// Nothing to do.
    #[inline]
    pub fn refresh(&mut self, _: &Laws) {}

    /// Law `id`; the default law for a number that was never defined.
    #[inline]
    pub fn get(&self, id: u16) -> &Law {
        self.laws.get(usize::from(id)).unwrap_or(&self.laws[0])
    }

    /// Was law `id` defined?
    pub fn contains(&self, id: u16) -> bool {
        usize::from(id) < self.laws.len()
    }
}
