//! Two NEON registers. Every aarch64 has them.

use std::arch::aarch64::{
    float64x2_t, vaddq_f64, vaddq_u64, vandq_u64, vbicq_u64, vbslq_f64, vcgeq_f64, vcgtq_f64, vdivq_f64, vdupq_n_f64,
    vdupq_n_u64, vgetq_lane_f64, vgetq_lane_u64, vld1q_f64, vmulq_f64, vorrq_u64, vreinterpretq_f64_u64,
    vreinterpretq_u64_f64, vshlq_n_u64, vshrq_n_u64, vsqrtq_f64, vsubq_f64,
};

use super::{EXPONENT_OF_ONE, Lanes, MANTISSA_BITS};

/// Lanes 0 and 1, lanes 2 and 3.
#[derive(Debug, Clone, Copy)]
pub struct Neon(float64x2_t, float64x2_t);

/// An operation on both halves. SAFETY of all that it makes: NEON is part of aarch64.
macro_rules! halves {
    ($($name:ident($a:ident, $b:ident) = $half:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, o: Self) -> Self {
                // SAFETY: NEON is part of aarch64.
                let half = |$a: float64x2_t, $b: float64x2_t| unsafe { $half };
                Self(half(self.0, o.0), half(self.1, o.1))
            }
        )*
    };
}

impl Lanes for Neon {
    const NAME: &'static str = "neon";

    #[inline(always)]
    fn splat(x: f64) -> Self {
        // SAFETY: NEON is part of aarch64.
        unsafe { Self(vdupq_n_f64(x), vdupq_n_f64(x)) }
    }
    #[inline(always)]
    fn from_array(x: [f64; 4]) -> Self {
        // SAFETY: NEON is part of aarch64; `x` holds both pairs.
        unsafe { Self(vld1q_f64(x.as_ptr()), vld1q_f64(x.as_ptr().add(2))) }
    }
    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        // SAFETY: NEON is part of aarch64.
        unsafe {
            let pair = |v| [vgetq_lane_f64::<0>(v), vgetq_lane_f64::<1>(v)];
            let ([a, b], [c, d]) = (pair(self.0), pair(self.1));
            [a, b, c, d]
        }
    }
    halves! {
        add(a, b) = vaddq_f64(a, b);
        sub(a, b) = vsubq_f64(a, b);
        mul(a, b) = vmulq_f64(a, b);
        div(a, b) = vdivq_f64(a, b);
        gt(a, b) = vreinterpretq_f64_u64(vcgtq_f64(a, b));
        ge(a, b) = vreinterpretq_f64_u64(vcgeq_f64(a, b));
        and(a, b) = vreinterpretq_f64_u64(vandq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b)));
        or(a, b) = vreinterpretq_f64_u64(vorrq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b)));
        and_not(a, b) = vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b)));
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: NEON is part of aarch64.
        unsafe { Self(vsqrtq_f64(self.0), vsqrtq_f64(self.1)) }
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        // SAFETY: NEON is part of aarch64.
        unsafe {
            let one = vdupq_n_u64(EXPONENT_OF_ONE);
            let exp2 = |v| {
                let k = vshlq_n_u64::<{ MANTISSA_BITS as i32 }>(vreinterpretq_u64_f64(v));
                vreinterpretq_f64_u64(vaddq_u64(k, one))
            };
            Self(exp2(self.0), exp2(self.1))
        }
    }
    #[inline(always)]
    fn bits(self) -> u8 {
        // SAFETY: NEON is part of aarch64.
        unsafe {
            let pair = |v| {
                let signs = vshrq_n_u64::<63>(vreinterpretq_u64_f64(v));
                vgetq_lane_u64::<0>(signs) | vgetq_lane_u64::<1>(signs) << 1
            };
            (pair(self.0) | pair(self.1) << 2) as u8
        }
    }
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        // SAFETY: NEON is part of aarch64.
        unsafe {
            Self(vbslq_f64(vreinterpretq_u64_f64(self.0), a.0, b.0), vbslq_f64(vreinterpretq_u64_f64(self.1), a.1, b.1))
        }
    }
}
