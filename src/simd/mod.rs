//! Four lanes of f64: the only arithmetic a tick's transcendentals, and ticks of many routes, run in.
//!
//! | file | content |
//! |---|---|
//! | `instruction_set` | the instruction sets, and the choice among them at run time |
//! | `portable` | plain numbers: every target has it, and it is the oracle of the others |
//! | `sse2`, `avx2` | x86-64: two registers, and one where the processor has it |
//! | `neon` | aarch64: two registers |
//! | `simd128` | WebAssembly: two registers |
//!
//! [`Lanes`] is the whole surface a kernel sees. A kernel is written once, generic over it, as a [`Kernel`]; an implementation for an
//! instruction set slots in beside the others. Every operation is one IEEE-754 operation per lane, never fused, so that all
//! implementations give the same bits.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instruction sets are reached through intrinsics, which are unsafe")]
mod avx2;
mod instruction_set;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "instruction sets are reached through intrinsics, which are unsafe")]
mod neon;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code, reason = "volatile writes are unsafe")]
mod simd128;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instruction sets are reached through intrinsics, which are unsafe")]
mod sse2;

pub use instruction_set::{InstructionSet, Kernel};
pub use portable::Portable;

/// The instruction set that every processor of the target has.
#[cfg(target_arch = "x86_64")]
pub type Native = sse2::Sse2;
/// The instruction set that every processor of the target has.
#[cfg(target_arch = "aarch64")]
pub type Native = neon::Neon;
/// The instruction set that every processor of the target has.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub type Native = simd128::Simd128;
/// The instruction set that every processor of the target has.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
pub type Native = Portable;

/// Lanes of a vector.
pub const LANES: usize = 4;

/// Bits of an f64 below its exponent.
const MANTISSA_BITS: u32 = 52;
/// The exponent of 1.0, in place.
const EXPONENT_OF_ONE: u64 = 0x3ff0_0000_0000_0000;
/// The sign of an f64.
const SIGN: u64 = 1 << 63;

/// Four f64 that move together. A comparison gives a mask: all bits of a lane where it holds, none where it does not.
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
    /// Lane-wise √self.
    #[must_use]
    fn sqrt(self) -> Self;
    /// 2^k for lanes that hold k + 1.5·2^52, −1022 ≤ k ≤ 1023: the integer sits in the low bits, and moves to the exponent.
    #[must_use]
    fn exp2_biased(self) -> Self;
    /// The mask of `self > o`; false for NaN.
    #[must_use]
    fn gt(self, o: Self) -> Self;
    /// The mask of `self ≥ o`; false for NaN.
    #[must_use]
    fn ge(self, o: Self) -> Self;
    /// The bits of both.
    #[must_use]
    fn and(self, o: Self) -> Self;
    /// The bits of either.
    #[must_use]
    fn or(self, o: Self) -> Self;
    /// The bits of `self` that are not in `o`.
    #[must_use]
    fn and_not(self, o: Self) -> Self;
    /// One bit a lane, lane 0 lowest: set where the lane's sign bit is, as it is in a mask that holds.
    fn bits(self) -> u8;

    /// The lanes of `a` where the mask `self` holds, of `b` where it does not.
    #[inline(always)]
    #[must_use]
    fn select(self, a: Self, b: Self) -> Self {
        self.and(a).or(b.and_not(self))
    }
    /// Lane-wise, `self` where it is larger, else `o`.
    #[inline(always)]
    #[must_use]
    fn larger(self, o: Self) -> Self {
        self.gt(o).select(self, o)
    }
    /// Lane-wise, `self` where it is smaller, else `o`.
    #[inline(always)]
    #[must_use]
    fn smaller(self, o: Self) -> Self {
        o.gt(self).select(self, o)
    }
    /// Lane-wise |self|.
    #[inline(always)]
    #[must_use]
    fn abs(self) -> Self {
        self.and_not(Self::splat(f64::from_bits(SIGN)))
    }
    /// |self| with the sign of `o`.
    #[inline(always)]
    #[must_use]
    fn copysign(self, o: Self) -> Self {
        self.abs().or(o.and(Self::splat(f64::from_bits(SIGN))))
    }
}
