//! tanh, exp and ln of our own, so that every platform gives the same bits: the platform's libm does not.
//!
//! ```text
//! y = k·ln 2 + r,  |r| ≤ ½ ln 2        k = round(y / ln 2), ln 2 in two parts (Cody and Waite, 1980)
//! p = e^r − 1 = r + r²·Σ rⁿ/(n+2)!     12 terms: the rest is below 2⁻⁵⁵
//! exp(y)   = 2^k + 2^k·p
//! expm1(y) = 2^k·p + (2^k − 1)
//! tanh(x)  = −sign(x)·t/(t + 2),       t = expm1(−2|x|)
//! ```
//!
//! A tick needs three tanh and one exp: they share one reduction and one polynomial, in four lanes. Measured against
//! arbitrary precision over their whole domain: tanh and exp within 2 ulp, ln within 2 ulp (`tests/physics/math.rs`).

use crate::simd::{Lanes, Native};

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2 rounded to 32 bits, so that k·LN2_HIGH is exact, and what is missing from it.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Adding it rounds to an integer and leaves that integer in the low bits of the sum.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// e^y is treated as 0 below this: the next power of two would be subnormal.
const LOWEST: f64 = -708.0;
/// e^y is treated as infinite above this.
const HIGHEST: f64 = 709.0;

/// The larger, as one instruction: unlike `f64::max` it makes no promise about NaN.
///
/// ```
/// assert_eq!(atrion::physics::math::larger(1.0, 2.0), 2.0);
/// ```
#[inline(always)]
#[must_use]
pub fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The smaller, as one instruction: unlike `f64::min` it makes no promise about NaN.
///
/// ```
/// assert_eq!(atrion::physics::math::smaller(1.0, 2.0), 1.0);
/// ```
#[inline(always)]
#[must_use]
pub fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The whole part of a number that is not negative, without a call: `f64::floor` is one of the platform's where no set of instructions
/// beyond the least is taken for granted.
///
/// ```
/// use atrion::physics::math::whole;
///
/// assert_eq!([0.0, 0.99, 7.5, 1e300, f64::INFINITY].map(whole), [0.0, 0.0, 7.0, 1e300, f64::INFINITY]);
/// ```
#[inline(always)]
#[must_use]
pub fn whole(x: f64) -> f64 {
    // From there on all are whole; NaN is as good as one of them. In wasm it is one instruction.
    if cfg!(target_family = "wasm") {
        x.floor()
    } else if x < ROUNDER {
        x as i64 as f64
    } else {
        x
    }
}

/// 2^k and e^r − 1 for each lane of y, −708 ≤ y ≤ 709.
#[inline(always)]
fn reduce<L: Lanes>(y: L) -> (L, L) {
    let biased = y.mul(L::splat(LOG2_E)).add(L::splat(ROUNDER));
    let k = biased.sub(L::splat(ROUNDER));
    let r = y.sub(k.mul(L::splat(LN2_HIGH))).sub(k.mul(L::splat(LN2_LOW)));

    // Estrin's tree over 1/2! … 1/13!: short dependency chains, one fixed order.
    let c = |n: f64| L::splat(1.0 / n);
    let r2 = r.mul(r);
    let r4 = r2.mul(r2);
    let pair = |low: L, high: L| low.add(high.mul(r));
    let q0 = pair(c(2.0), c(6.0)).add(pair(c(24.0), c(120.0)).mul(r2));
    let q1 = pair(c(720.0), c(5_040.0)).add(pair(c(40_320.0), c(362_880.0)).mul(r2));
    let q2 = pair(c(3_628_800.0), c(39_916_800.0)).add(pair(c(479_001_600.0), c(6_227_020_800.0)).mul(r2));
    let q = q0.add(q1.mul(r4)).add(q2.mul(r4.mul(r4)));
    (biased.exp2_biased(), r.add(r2.mul(q)))
}

/// tanh of three numbers and e^y of a fourth, in one pass. For a NaN anything may come out.
///
/// ```
/// use atrion::physics::math::{exp, tanh, tanh3_exp};
///
/// assert_eq!(tanh3_exp([0.1, -0.2, 3.0], -1.5), ([tanh(0.1), tanh(-0.2), tanh(3.0)], exp(-1.5)));
/// ```
#[inline]
#[must_use]
pub fn tanh3_exp(x: [f64; 3], y: f64) -> ([f64; 3], f64) {
    tanh3_exp_in::<Native>(x, y)
}

/// [`tanh3_exp`] on lanes of one's choice: all give the same bits.
#[inline(always)]
#[must_use]
pub fn tanh3_exp_in<L: Lanes>(x: [f64; 3], y: f64) -> ([f64; 3], f64) {
    let depth = |x: f64| larger(-2.0 * x.abs(), LOWEST);
    let bounded = smaller(larger(y, LOWEST), HIGHEST);
    let (scale, p) = reduce(L::from_array([depth(x[0]), depth(x[1]), depth(x[2]), bounded]));
    let scaled = scale.mul(p);
    // t and t + 2, side by side rather than one after the other.
    let t = scaled.add(scale.sub(L::splat(1.0)));
    let tanh = t.div(scaled.add(scale.add(L::splat(1.0)))).to_array();
    let exp = scale.add(scaled).to_array()[3];

    let signed = |i: usize| tanh[i].abs().copysign(x[i]);
    let exp = if y < LOWEST {
        0.0
    } else if y > HIGHEST {
        f64::INFINITY
    } else {
        exp
    };
    ([signed(0), signed(1), signed(2)], exp)
}

/// tanh of four numbers: the bits of [`tanh`]. For a NaN anything may come out.
#[inline(always)]
#[must_use]
pub fn tanh_in<L: Lanes>(x: L) -> L {
    let (scale, p) = reduce(L::splat(-2.0).mul(x.abs()).larger(L::splat(LOWEST)));
    let scaled = scale.mul(p);
    let t = scaled.add(scale.sub(L::splat(1.0)));
    t.div(scaled.add(scale.add(L::splat(1.0)))).copysign(x)
}

/// e^y of four numbers: the bits of [`exp`]. For a NaN anything may come out.
#[inline(always)]
#[must_use]
pub fn exp_in<L: Lanes>(y: L) -> L {
    let (lowest, highest) = (L::splat(LOWEST), L::splat(HIGHEST));
    let (scale, p) = reduce(y.larger(lowest).smaller(highest));
    let exp = scale.add(scale.mul(p)).and_not(lowest.gt(y));
    y.gt(highest).select(L::splat(f64::INFINITY), exp)
}

/// tanh(x), within 2 ulp.
///
/// ```
/// assert!((atrion::physics::math::tanh(0.5) - 0.462_117_157_260_009_8).abs() < 1e-15);
/// ```
#[must_use]
pub fn tanh(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    tanh3_exp([x, 0.0, 0.0], 0.0).0[0]
}

/// e^y, within 2 ulp; 0 below −708, infinite above 709.
///
/// ```
/// use atrion::physics::math::exp;
///
/// assert_eq!((exp(0.0), exp(-1e9), exp(1e9)), (1.0, 0.0, f64::INFINITY));
/// ```
#[must_use]
pub fn exp(y: f64) -> f64 {
    if y.is_nan() {
        return y;
    }
    tanh3_exp([0.0; 3], y).1
}

/// Natural logarithm of a positive normal number, within 2 ulp; anything else gives NaN.
///
/// x = 2^e·m with √½ ≤ m < √2, s = (m − 1)/(m + 1): ln x = e·ln 2 + 2·(s + s³/3 + s⁵/5 + …).
///
/// ```
/// use atrion::physics::math::ln;
///
/// assert_eq!(ln(1.0), 0.0);
/// assert!((ln(10.0) - std::f64::consts::LN_10).abs() < 1e-15 && ln(-1.0).is_nan());
/// ```
#[must_use]
pub fn ln(x: f64) -> f64 {
    if !x.is_normal() || x < 0.0 {
        return f64::NAN;
    }
    let bits = x.to_bits();
    // Moves the seam between exponents from 1 to √½.
    let shifted = bits.wrapping_add(0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd);
    let e = ((shifted >> 52) as i64 - 1023) as f64;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + 0x3fe6_a09e_667f_3bcd);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut tail = 0.0;
    for n in (1..=11).rev() {
        tail = (tail + 1.0 / f64::from(2 * n + 1)) * z;
    }
    // 2·s = f − s·f keeps the leading term exact when e is 0.
    let series = f - s * (f - 2.0 * tail);
    e * LN2_HIGH + (series + e * LN2_LOW)
}
