//! tanh, exp and ln against a reference in arbitrary precision, and the same bits whatever they run on.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use astro_float_num::{BigFloat, Consts, RoundingMode};
use atrion::{
    physics::math::{exp, ln, tanh, tanh3_exp_in},
    simd::{Lanes, Native, Portable},
};
use proptest::prelude::*;

const PRECISION: usize = 128;
const WITHIN_ULP: f64 = 2.0;

/// Functions of the reference.
struct Reference(Consts);

impl Reference {
    fn new() -> Self {
        Self(Consts::new().expect("memory for the constants"))
    }

    fn tanh(&mut self, x: f64) -> BigFloat {
        BigFloat::from_f64(x, PRECISION).tanh(PRECISION, RoundingMode::ToEven, &mut self.0)
    }

    fn exp(&mut self, x: f64) -> BigFloat {
        BigFloat::from_f64(x, PRECISION).exp(PRECISION, RoundingMode::ToEven, &mut self.0)
    }

    fn ln(&mut self, x: f64) -> BigFloat {
        BigFloat::from_f64(x, PRECISION).ln(PRECISION, RoundingMode::ToEven, &mut self.0)
    }
}

/// Distance from `x` to the next double towards zero: the unit in the last place, the smaller one at a power of two.
fn ulp(x: f64) -> f64 {
    let x = x.abs().max(f64::MIN_POSITIVE);
    x - x.next_down()
}

fn assert_within(got: f64, exact: &BigFloat, what: &str, x: f64) {
    let error = BigFloat::from_f64(got, PRECISION).sub_full_prec(exact).abs();
    let bound = BigFloat::from_f64(WITHIN_ULP * ulp(got), PRECISION);
    assert!(
        error.cmp(&bound).is_some_and(|order| order <= 0),
        "{what}({x:e}) = {got:e} is off by more than {WITHIN_ULP} ulp: {exact}"
    );
}

/// `count` numbers from `low` to `high`, evenly.
fn grid(low: f64, high: f64, count: u32) -> impl Iterator<Item = f64> {
    (0..=count).map(move |i| low + (high - low) * f64::from(i) / f64::from(count))
}

/// Powers of ten from 10^`low` to 10^`high`, evenly, both signs.
fn decades(low: f64, high: f64, count: u32) -> impl Iterator<Item = f64> {
    grid(low, high, count).flat_map(|e| [10_f64.powf(e), -(10_f64.powf(e))])
}

/// A fixed sequence of bits that look like chance (xorshift64*).
fn chance(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |&x| {
        let x = x ^ (x >> 12);
        let x = x ^ (x << 25);
        Some(x ^ (x >> 27))
    })
    .map(|x| x.wrapping_mul(0x2545_f491_4f6c_dd1d))
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn tanh_is_within_two_ulp() {
    let mut reference = Reference::new();
    let dense = grid(-22.0, 22.0, 20_000).chain(decades(-307.0, 3.0, 5_000));
    let random = chance(1).take(20_000).map(|bits| (unit(bits) - 0.5) * 8.0);
    for x in dense.chain(random) {
        assert_within(tanh(x), &reference.tanh(x), "tanh", x);
    }
}

#[test]
fn exp_is_within_two_ulp() {
    let mut reference = Reference::new();
    let dense = grid(-708.0, 709.0, 20_000).chain(decades(-300.0, 2.8, 5_000));
    let random = chance(2).take(20_000).map(|bits| -20.0 * unit(bits));
    for x in dense.chain(random) {
        assert_within(exp(x), &reference.exp(x), "exp", x);
    }
}

#[test]
fn ln_is_within_two_ulp() {
    let mut reference = Reference::new();
    let dense = grid(0.5, 2.0, 20_000).chain(decades(-307.0, 308.0, 5_000)).chain(grid(1.0 - 1e-9, 1.0 + 1e-9, 2_000));
    // Every exponent: any bits whose sign is plus.
    let random = chance(3).take(20_000).map(|bits| f64::from_bits(bits >> 1));
    let mut tried = 0;
    for x in dense.chain(random).filter(|x| x.is_normal() && *x > 0.0) {
        assert_within(ln(x), &reference.ln(x), "ln", x);
        tried += 1;
    }
    assert!(tried > 40_000);
}

#[test]
fn inputs_with_an_exact_result_give_it() {
    assert_eq!(tanh(0.0).to_bits(), 0.0_f64.to_bits());
    assert_eq!(tanh(-0.0).to_bits(), (-0.0_f64).to_bits());
    assert_eq!((tanh(f64::INFINITY), tanh(f64::NEG_INFINITY)), (1.0, -1.0));
    assert!(tanh(f64::NAN).is_nan() && exp(f64::NAN).is_nan() && ln(f64::NAN).is_nan());
    assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
    assert_eq!((exp(-708.5), exp(f64::NEG_INFINITY)), (0.0, 0.0));
    assert_eq!((exp(709.5), exp(f64::INFINITY)), (f64::INFINITY, f64::INFINITY));
    assert_eq!(ln(1.0), 0.0);
    assert!([0.0, -0.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324].into_iter().all(|x| ln(x).is_nan()));
}

/// Any double, and often one that the kernels find hard: where the reduction changes its k, where results saturate.
fn doubles() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -40.0..40.0,
        2 => any::<f64>().prop_filter("NaN promises nothing", |x| !x.is_nan()),
        1 => (-1030_i32..1030).prop_map(|k| f64::from(k) * std::f64::consts::LN_2 / 2.0),
        1 => prop::sample::select(vec![0.0, -0.0, 354.0, -354.0, -708.0, 709.0, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY]),
    ]
}

fn bits((tanh, exp): ([f64; 3], f64)) -> [u64; 4] {
    [tanh[0], tanh[1], tanh[2], exp].map(f64::to_bits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    #[test]
    fn every_kind_of_lanes_gives_the_same_bits(x in prop::array::uniform3(doubles()), y in doubles()) {
        prop_assert_eq!(bits(tanh3_exp_in::<Portable>(x, y)), bits(tanh3_exp_in::<Native>(x, y)));
    }

    #[test]
    fn lanes_do_not_see_each_other(x in prop::array::uniform3(doubles()), y in doubles()) {
        let (together, e) = tanh3_exp_in::<Native>(x, y);
        prop_assert_eq!(together.map(f64::to_bits), x.map(tanh).map(f64::to_bits));
        prop_assert_eq!(e.to_bits(), exp(y).to_bits());
    }

    #[test]
    fn tanh_is_odd_and_bounded(x in doubles()) {
        prop_assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
        prop_assert!(tanh(x).abs() <= 1.0);
    }

    #[test]
    fn each_operation_of_the_lanes_gives_the_same_bits(a in prop::array::uniform4(any::<f64>()), b in prop::array::uniform4(any::<f64>())) {
        fn operations<L: Lanes>(a: [f64; 4], b: [f64; 4]) -> Vec<u64> {
            let (x, y) = (L::from_array(a), L::from_array(b));
            [x.add(y), x.sub(y), x.mul(y), x.div(y), L::splat(a[2])]
                .into_iter()
                .flat_map(L::to_array)
                // The payload of a NaN does not matter.
                .map(|r| if r.is_nan() { f64::NAN.to_bits() } else { r.to_bits() })
                .collect()
        }
        prop_assert_eq!(operations::<Portable>(a, b), operations::<Native>(a, b));
    }

    #[test]
    fn powers_of_two_are_exact(k in -1022_i32..=1023) {
        fn power<L: Lanes>(k: i32) -> [f64; 4] {
            L::splat(f64::from(k) + 1.5 * 2_f64.powi(52)).exp2_biased().to_array()
        }
        prop_assert_eq!(power::<Portable>(k), [2_f64.powi(k); 4]);
        prop_assert_eq!(power::<Native>(k), [2_f64.powi(k); 4]);
    }
}
