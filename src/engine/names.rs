//! Route names: any JavaScript string.
//!
//! A JavaScript string is a sequence of 16-bit units, not always valid Unicode: two names that differ only in a lone
//! surrogate must stay two routes. So a name is kept in generalised UTF-8, in which a lone surrogate is three bytes of
//! its own, and every string has exactly one spelling.

use std::sync::Arc;

use super::ids::Slot;

/// A name in generalised UTF-8 (WTF-8).
///
/// ```
/// use atrion::engine::Name;
///
/// let name = Name::from("GET /orders");
/// assert_eq!(Name::from_utf16(&name.to_utf16()), name);
/// assert_eq!(Name::from_shared(name.shared()), Some(name));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<[u8]>);

impl Name {
    /// The name that these UTF-16 units spell.
    #[must_use]
    pub fn from_utf16(units: &[u16]) -> Self {
        let mut bytes = Vec::with_capacity(units.len());
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(lone) => {
                    let u = lone.unpaired_surrogate();
                    bytes.extend_from_slice(&[0xed, 0x80 | (u >> 6 & 0x3f) as u8, 0x80 | (u & 0x3f) as u8]);
                }
            }
        }
        Self(bytes.into())
    }

    /// The UTF-16 units of this name.
    #[must_use]
    pub fn to_utf16(&self) -> Vec<u16> {
        let mut units = Vec::with_capacity(self.0.len());
        let mut rest = &self.0[..];
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    units.extend(valid.encode_utf16());
                    break;
                }
                Err(error) => {
                    let (valid, lone) = rest.split_at(error.valid_up_to());
                    units.extend(String::from_utf8_lossy(valid).encode_utf16());
                    // Bytes that are not UTF-8 are a surrogate of three: no name was made of anything else.
                    units.push(0xd000 | u16::from(lone[1] & 0x3f) << 6 | u16::from(lone[2] & 0x3f));
                    rest = &lone[3..];
                }
            }
        }
        units
    }

    /// A name from bytes that [`Name::shared`] gave, perhaps in another process; None for any others.
    #[must_use]
    pub fn from_shared(bytes: Arc<[u8]>) -> Option<Self> {
        let mut rest = &bytes[..];
        let mut after_high = false;
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, lone) = rest.split_at(error.valid_up_to());
            let &[0xed, second @ 0xa0..=0xbf, 0x80..=0xbf, ..] = lone else { return None };
            // A pair of surrogates is one character, and has a spelling of its own.
            if after_high && valid.is_empty() && second >= 0xb0 {
                return None;
            }
            after_high = second < 0xb0;
            rest = &lone[3..];
        }
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The bytes of the name.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the name, to keep.
    #[must_use]
    pub fn shared(&self) -> Arc<[u8]> {
        Arc::clone(&self.0)
    }

    /// Bytes of the name itself.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.as_bytes().into())
    }
}

/// From a name to the slot of its route. Randomly keyed hashing: names may be chosen by an attacker.
#[derive(Debug, Default)]
pub struct Names {
    slots: dashmap::DashMap<Name, Slot>,
}

impl Names {
    pub fn get(&self, name: &Name) -> Option<Slot> {
        self.slots.get(name).map(|slot| *slot)
    }
    pub fn insert(&self, name: Name, slot: Slot) {
        self.slots.insert(name, slot);
    }
    pub fn remove(&self, name: &Name) {
        self.slots.remove(name);
    }
}
