//! The parameters by number in a build with a single handle, which keeps them itself and has no copy to bring up to date.

use crate::physics::params::RouteParams;

/// Most sets of parameters of an engine: their number is 16 bits in a route's state.
const MAX_PARAMS: usize = 1 << 16;

/// The part that handles share: nothing.
#[derive(Debug, Default)]
pub struct ParamsTable {}

/// All sets of parameters; never empty.
#[derive(Debug)]
pub struct ParamsCache {
    params: Vec<RouteParams>,
}

#[allow(
    clippy::unused_self,
    clippy::large_types_passed_by_value,
    reason = "the interface of the copy that threads keep"
)]
impl ParamsCache {
    /// Room for parameters 0, which the host defines before it uses a route: the default ones are code, 150 bytes of it.
    pub fn new(_: &ParamsTable) -> Self {
        Self { params: vec![RouteParams::ZERO] }
    }

    /// Adds parameters, or replaces those of number `id`. None when there are none of that number, or no room for more.
    pub fn define(&mut self, _: &ParamsTable, params: RouteParams, id: Option<u16>) -> Option<u16> {
        match id {
            Some(id) => {
                *self.params.get_mut(usize::from(id))? = params;
                Some(id)
            }
            None if self.params.len() < MAX_PARAMS => {
                self.params.push(params);
                Some((self.params.len() - 1) as u16)
            }
            None => None,
        }
    }

    /// Does nothing.
    #[inline]
    pub fn refresh(&mut self, _: &ParamsTable) {}

    /// The parameters of number `id`; the default ones for a number that was never defined.
    #[inline]
    pub fn get(&self, id: u16) -> &RouteParams {
        self.params.get(usize::from(id)).unwrap_or(&self.params[0])
    }

    /// Returns whether the parameters of number `id` were defined.
    pub fn contains(&self, id: u16) -> bool {
        usize::from(id) < self.params.len()
    }
}
