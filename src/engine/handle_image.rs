//! A handle's part in images of an engine: see [`crate::image`].

use super::{Handle, engine_ref::Owned, ids::Slot, routes::Table};

impl Handle {
    /// All that decisions depend on, as bytes; None where those are more than `most`, or the engine is shared.
    ///
    /// ```
    /// use atrion::engine::{AcquireRequest, Handle, Limits};
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("db".into(), 0.0);
    /// handle.acquire(slot, AcquireRequest::default(), 0.0, 0.0, |_, _, _| {});
    /// let image = handle.image(1 << 20).expect("it is small");
    /// assert!(handle.image(image.len() - 1).is_none());
    ///
    /// let mut other = Handle::alone(Limits::of_routes(10));
    /// assert_eq!(other.load_image(&image), Some(vec![(slot, 0)]));
    /// assert_eq!(other.stats(slot).map(|stats| stats.in_flight), Some(1));
    /// assert_eq!(other.image(1 << 20), Some(image));
    /// ```
    pub fn image(&mut self, most: usize) -> Option<Vec<u8>> {
        self.engine_ref.owned()?.table.image(&self.queue, most)
    }

    /// Takes over the image of an engine for as many routes: its routes are in the same slots, under names of their own, and its permits
    /// are this engine's. The slots of its routes, with the numbers of the parameters that governed them there; here it is number 0
    /// for all. None, and nothing changes, where the bytes are no image of this version, or the engine is shared.
    pub fn load_image(&mut self, bytes: &[u8]) -> Option<Vec<(Slot, u16)>> {
        let Owned { table, names, .. } = self.engine_ref.owned()?;
        let (image, queue, laws) = Table::of_image(table.limits(), bytes)?;
        for gone in table.names() {
            names.remove(&gone);
        }
        table.replace(image);
        self.queue = queue;
        for &(slot, _) in &laws {
            if let Some(name) = table.name(slot) {
                names.insert(name.clone(), slot);
            }
        }
        Some(laws)
    }
}
