//! Two SSE2 registers. Every x86-64 has them.

use std::arch::x86_64::{
    __m128d, _mm_add_epi64, _mm_add_pd, _mm_and_pd, _mm_andnot_pd, _mm_castpd_si128, _mm_castsi128_pd, _mm_cmpge_pd,
    _mm_cmpgt_pd, _mm_cvtsd_f64, _mm_div_pd, _mm_max_pd, _mm_min_pd, _mm_movemask_pd, _mm_mul_pd, _mm_or_pd,
    _mm_set_pd, _mm_set1_epi64x, _mm_set1_pd, _mm_slli_epi64, _mm_sqrt_pd, _mm_sub_pd, _mm_unpackhi_pd,
};

use super::{EXPONENT_OF_ONE, Lanes, MANTISSA_BITS};

/// Lanes 0 and 1, lanes 2 and 3.
#[derive(Debug, Clone, Copy)]
pub struct Sse2(__m128d, __m128d);

impl Lanes for Sse2 {
    const NAME: &'static str = "sse2";

    #[inline(always)]
    fn splat(x: f64) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_set1_pd(x), _mm_set1_pd(x)) }
    }
    #[inline(always)]
    fn from_array(x: [f64; 4]) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_set_pd(x[1], x[0]), _mm_set_pd(x[3], x[2])) }
    }
    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let high = |v| _mm_cvtsd_f64(_mm_unpackhi_pd(v, v));
            [_mm_cvtsd_f64(self.0), high(self.0), _mm_cvtsd_f64(self.1), high(self.1)]
        }
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_add_pd(self.0, o.0), _mm_add_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_sub_pd(self.0, o.0), _mm_sub_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_mul_pd(self.0, o.0), _mm_mul_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_div_pd(self.0, o.0), _mm_div_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let one = _mm_set1_epi64x(EXPONENT_OF_ONE as i64);
            let exp2 = |v| {
                let k = _mm_slli_epi64::<{ MANTISSA_BITS as i32 }>(_mm_castpd_si128(v));
                _mm_castsi128_pd(_mm_add_epi64(k, one))
            };
            Self(exp2(self.0), exp2(self.1))
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_sqrt_pd(self.0), _mm_sqrt_pd(self.1)) }
    }
    #[inline(always)]
    fn gt(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_cmpgt_pd(self.0, o.0), _mm_cmpgt_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn ge(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_cmpge_pd(self.0, o.0), _mm_cmpge_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_and_pd(self.0, o.0), _mm_and_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_or_pd(self.0, o.0), _mm_or_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn and_not(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_andnot_pd(o.0, self.0), _mm_andnot_pd(o.1, self.1)) }
    }
    #[inline(always)]
    fn larger(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_max_pd(self.0, o.0), _mm_max_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn smaller(self, o: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { Self(_mm_min_pd(self.0, o.0), _mm_min_pd(self.1, o.1)) }
    }
    #[inline(always)]
    fn bits(self) -> u8 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { (_mm_movemask_pd(self.0) | _mm_movemask_pd(self.1) << 2) as u8 }
    }
}
