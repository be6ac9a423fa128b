//! One AVX2 register, where the processor has them: [`run`] is the only way in.

use std::arch::x86_64::{
    __m256d, _CMP_GE_OQ, _CMP_GT_OQ, _mm256_add_epi64, _mm256_add_pd, _mm256_and_pd, _mm256_andnot_pd,
    _mm256_blendv_pd, _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_cmp_pd, _mm256_div_pd, _mm256_loadu_pd,
    _mm256_max_pd, _mm256_min_pd, _mm256_movemask_pd, _mm256_mul_pd, _mm256_or_pd, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_slli_epi64, _mm256_sqrt_pd, _mm256_storeu_pd, _mm256_sub_pd,
};

use super::{EXPONENT_OF_ONE, Kernel, Lanes, MANTISSA_BITS};

/// All four lanes.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(__m256d);

/// Runs a kernel on [`Avx2`]: what it inlines is compiled for it.
///
/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

// SAFETY of all below: an `Avx2` is made in kernels alone, which `run` alone runs on it.
impl Lanes for Avx2 {
    const NAME: &'static str = "avx2";

    #[inline(always)]
    fn splat(x: f64) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_set1_pd(x)) }
    }
    #[inline(always)]
    fn from_array(x: [f64; 4]) -> Self {
        // SAFETY: see above; `x` holds four f64, wherever it lies.
        unsafe { Self(_mm256_loadu_pd(x.as_ptr())) }
    }
    #[inline(always)]
    fn to_array(self) -> [f64; 4] {
        let mut x = [0.0; 4];
        // SAFETY: see above; `x` has room for four f64.
        unsafe { _mm256_storeu_pd(x.as_mut_ptr(), self.0) };
        x
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_add_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sub_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_mul_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_div_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sqrt_pd(self.0)) }
    }
    #[inline(always)]
    fn exp2_biased(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let one = _mm256_set1_epi64x(EXPONENT_OF_ONE as i64);
            let k = _mm256_slli_epi64::<{ MANTISSA_BITS as i32 }>(_mm256_castpd_si256(self.0));
            Self(_mm256_castsi256_pd(_mm256_add_epi64(k, one)))
        }
    }
    #[inline(always)]
    fn gt(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_cmp_pd::<_CMP_GT_OQ>(self.0, o.0)) }
    }
    #[inline(always)]
    fn ge(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_cmp_pd::<_CMP_GE_OQ>(self.0, o.0)) }
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_and_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_or_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn and_not(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_andnot_pd(o.0, self.0)) }
    }
    #[inline(always)]
    fn bits(self) -> u8 {
        // SAFETY: see above.
        unsafe { _mm256_movemask_pd(self.0) as u8 }
    }
    #[inline(always)]
    fn select(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_blendv_pd(b.0, a.0, self.0)) }
    }
    #[inline(always)]
    fn larger(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_max_pd(self.0, o.0)) }
    }
    #[inline(always)]
    fn smaller(self, o: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_min_pd(self.0, o.0)) }
    }
}
