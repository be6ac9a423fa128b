//! Two registers of WebAssembly's simd128, where the target has it: a module either does as a whole or not at all.

use std::{
    arch::wasm32::{
        f64x2, f64x2_add, f64x2_div, f64x2_ge, f64x2_gt, f64x2_mul, f64x2_pmax, f64x2_pmin, f64x2_splat, f64x2_sqrt,
        f64x2_sub, i64x2_add, i64x2_bitmask, i64x2_shl, i64x2_splat, v128, v128_and, v128_andnot, v128_bitselect,
        v128_or,
    },
    mem::{self, MaybeUninit},
    ptr,
};

use super::{EXPONENT_OF_ONE, Lanes, MANTISSA_BITS};

/// Lanes 0 and 1, lanes 2 and 3.
#[derive(Debug, Clone, Copy)]
pub struct Simd128(v128, v128);

impl Lanes for Simd128 {
    const NAME: &'static str = "simd128";

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self(f64x2_splat(x), f64x2_splat(x))
    }
    #[inline(always)]
    fn from_array(x: [f64; 4]) -> Self {
        Self(f64x2(x[0], x[1]), f64x2(x[2], x[3]))
    }
    /// By way of memory: V8 moves arithmetic into the branches that use it, and where several do, computes it in each: 20 ns of a
    /// tick. What was stored is not computed again.
    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        let mut lanes = MaybeUninit::<[v128; 2]>::uninit();
        let first = lanes.as_mut_ptr().cast::<v128>();
        // SAFETY: both halves are written, within what they are halves of; four f64 have the size and any bits.
        unsafe {
            ptr::write_volatile(first, self.0);
            ptr::write_volatile(first.add(1), self.1);
            mem::transmute(lanes.assume_init())
        }
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        Self(f64x2_add(self.0, o.0), f64x2_add(self.1, o.1))
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        Self(f64x2_sub(self.0, o.0), f64x2_sub(self.1, o.1))
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        Self(f64x2_mul(self.0, o.0), f64x2_mul(self.1, o.1))
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        Self(f64x2_div(self.0, o.0), f64x2_div(self.1, o.1))
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        let one = i64x2_splat(EXPONENT_OF_ONE as i64);
        let exp2 = |v| i64x2_add(i64x2_shl(v, MANTISSA_BITS), one);
        Self(exp2(self.0), exp2(self.1))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(f64x2_sqrt(self.0), f64x2_sqrt(self.1))
    }
    #[inline(always)]
    fn gt(self, o: Self) -> Self {
        Self(f64x2_gt(self.0, o.0), f64x2_gt(self.1, o.1))
    }
    #[inline(always)]
    fn ge(self, o: Self) -> Self {
        Self(f64x2_ge(self.0, o.0), f64x2_ge(self.1, o.1))
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        Self(v128_and(self.0, o.0), v128_and(self.1, o.1))
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        Self(v128_or(self.0, o.0), v128_or(self.1, o.1))
    }
    #[inline(always)]
    fn and_not(self, o: Self) -> Self {
        Self(v128_andnot(self.0, o.0), v128_andnot(self.1, o.1))
    }
    #[inline(always)]
    fn larger(self, o: Self) -> Self {
        Self(f64x2_pmax(o.0, self.0), f64x2_pmax(o.1, self.1))
    }
    #[inline(always)]
    fn smaller(self, o: Self) -> Self {
        Self(f64x2_pmin(o.0, self.0), f64x2_pmin(o.1, self.1))
    }
    #[inline(always)]
    fn bits(self) -> u8 {
        i64x2_bitmask(self.0) | i64x2_bitmask(self.1) << 2
    }
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        Self(v128_bitselect(a.0, b.0, self.0), v128_bitselect(a.1, b.1, self.1))
    }
}
