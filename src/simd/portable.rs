//! Plain numbers, in the order of the lanes.

use super::{EXPONENT_OF_ONE, Lanes, MANTISSA_BITS};

/// The implementation every target has, and the oracle of the others.
#[derive(Debug, Clone, Copy)]
pub struct Portable([f64; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], o.0[i])))
    }

    #[inline(always)]
    fn zip_bits(self, o: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        self.zip(o, |a, b| f64::from_bits(f(a.to_bits(), b.to_bits())))
    }

    #[inline(always)]
    fn mask(self, o: Self, holds: impl Fn(f64, f64) -> bool) -> Self {
        self.zip(o, |a, b| f64::from_bits(if holds(a, b) { u64::MAX } else { 0 }))
    }
}

impl Lanes for Portable {
    const NAME: &'static str = "portable";

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    fn from_array(x: [f64; 4]) -> Self {
        Self(x)
    }
    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        self.0
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self.zip(o, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self.zip(o, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self.zip(o, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        self.zip(o, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f64::sqrt))
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        Self(self.0.map(|x| f64::from_bits((x.to_bits() << MANTISSA_BITS).wrapping_add(EXPONENT_OF_ONE))))
    }
    #[inline(always)]
    fn gt(self, o: Self) -> Self {
        self.mask(o, |a, b| a > b)
    }
    #[inline(always)]
    fn ge(self, o: Self) -> Self {
        self.mask(o, |a, b| a >= b)
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        self.zip_bits(o, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        self.zip_bits(o, |a, b| a | b)
    }
    #[inline(always)]
    fn and_not(self, o: Self) -> Self {
        self.zip_bits(o, |a, b| a & !b)
    }
    #[inline(always)]
    fn bits(self) -> u8 {
        (0..4).fold(0, |bits, i| bits | u8::from(self.0[i].is_sign_negative()) << i)
    }
}
