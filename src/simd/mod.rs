//! Four lanes of f64: the only arithmetic a tick's transcendentals run in.
//!
//! [`Lanes`] is the whole surface a kernel sees. A kernel is written once, generic over it; [`Portable`] runs it
//! everywhere, and an implementation for an instruction set slots in beside it. Every operation is one IEEE-754
//! operation per lane, never fused, so that all implementations give the same bits.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instruction sets are reached through intrinsics, which are unsafe")]
mod sse2;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code, reason = "volatile writes are unsafe")]
mod simd128;

/// The instruction sets that the kernels run on here.
#[cfg(target_arch = "x86_64")]
pub type Native = sse2::Sse2;
/// The instruction sets that the kernels run on here.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub type Native = simd128::Simd128;
/// The instruction sets that the kernels run on here.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
pub type Native = Portable;

/// Bits of an f64 below its exponent.
const MANTISSA_BITS: u32 = 52;
/// The exponent of 1.0, in place.
const EXPONENT_OF_ONE: u64 = 0x3ff0_0000_0000_0000;

/// Four f64 that move together.
///
/// ```
/// use atrion::simd::{Lanes, Native, Portable};
///
/// fn squares<L: Lanes>(x: [f64; 4]) -> [f64; 4] {
///     let lanes = L::from_array(x);
///     lanes.mul(lanes).to_array()
/// }
/// assert_eq!(squares::<Native>([1.0, 2.0, 3.0, 4.0]), squares::<Portable>([1.0, 2.0, 3.0, 4.0]));
/// ```
pub trait Lanes: Copy {
    /// The name of the instruction set.
    const NAME: &'static str;

    /// The same value in all lanes.
    fn splat(x: f64) -> Self;
    /// From memory order.
    fn from_array(x: [f64; 4]) -> Self;
    /// To memory order.
    fn to_array(self) -> [f64; 4];
    /// Lane-wise `self + o`.
    #[must_use]
    fn add(self, o: Self) -> Self;
    /// Lane-wise `self − o`.
    #[must_use]
    fn sub(self, o: Self) -> Self;
    /// Lane-wise `self · o`.
    #[must_use]
    fn mul(self, o: Self) -> Self;
    /// Lane-wise `self ÷ o`.
    #[must_use]
    fn div(self, o: Self) -> Self;
    /// 2^k for lanes that hold k + 1.5·2^52, −1022 ≤ k ≤ 1023: the integer sits in the low bits, and moves to the exponent.
    #[must_use]
    fn exp2_biased(self) -> Self;
}

/// The implementation every target has, and the oracle of the others.
#[derive(Debug, Clone, Copy)]
pub struct Portable([f64; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], o.0[i])))
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
    fn exp2_biased(self) -> Self {
        Self(self.0.map(|x| f64::from_bits((x.to_bits() << MANTISSA_BITS).wrapping_add(EXPONENT_OF_ONE))))
    }
}
