//! The key of a route on the wire, a hash of its name.
//!
//! Every node has to arrive at the same 64 bits, whatever its version, machine and build: so the hash is one that is
//! published, SipHash-2-4, and its key is part of the format. The standard library's hasher promises neither.
//!
//! The key is no secret, so names can be chosen that collide: they would share their scars among nodes, blended by γ as all
//! reports, and nothing else. Tables are keyed at random on top of it and cannot be flooded that way.
//! Names that are not chosen to collide do so once in 2⁶⁴ pairs: for 65,536 routes, with a chance of 10⁻¹⁰.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::report::RouteKey;

/// "atrion:route:key" in ASCII. Another value is another format.
const KEY: (u64, u64) = (u64::from_le_bytes(*b"atrion:r"), u64::from_le_bytes(*b"oute:key"));

impl RouteKey {
    /// The key of the route of this name, in generalised UTF-8. The same for ever.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let mut hasher = SipHasher24::new_with_keys(KEY.0, KEY.1);
        hasher.write(name);
        Self(hasher.finish())
    }
}
