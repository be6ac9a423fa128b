//! Every instruction set gives the bits of plain numbers: its operations, the functions made of them, and the ticks of a batch.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use crate::common;

use atrion::{
    engine::{Handle, Limits, Name, Row, Rows, Slot},
    physics::{
        columns::magnitude_in,
        magnitude,
        math::{exp, exp_in, tanh, tanh_in},
        params::RouteParams,
        pressure::Sample,
        tick::RouteState,
    },
    simd::{InstructionSet, Kernel, Lanes},
};
use proptest::prelude::*;

/// Numbers at which something changes: zeros, subnormals, the ends of the range, infinities, and no number.
const EDGES: [f64; 19] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    f64::MIN_POSITIVE,
    -f64::MIN_POSITIVE,
    1.0,
    -1.0,
    0.5,
    708.0,
    -708.0,
    709.0,
    709.000_000_1,
    -708.000_000_1,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Any number: an edge, one of any bits, or one of usual size.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::sample::select(EDGES.to_vec()),
        any::<u64>().prop_map(f64::from_bits),
        -800.0..800.0_f64,
        -2.0..2.0_f64
    ]
}

fn four() -> impl Strategy<Value = [f64; 4]> {
    prop::array::uniform4(number())
}

/// The bits of numbers; which NaN one is belongs to no standard.
fn bits(x: &[f64]) -> Vec<u64> {
    x.iter().map(|x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }).collect()
}

/// Every operation on two vectors, and the bits of masks.
#[derive(Clone, Copy)]
struct Operations([f64; 4], [f64; 4]);

impl Kernel for Operations {
    type Output = (Vec<[f64; 4]>, Vec<u8>);

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let (a, b) = (L::from_array(self.0), L::from_array(self.1));
        let masks = [a.gt(b), a.ge(b), b.gt(a), b.ge(a)];
        let mut results = vec![
            L::splat(self.0[0]),
            a,
            a.add(b),
            a.sub(b),
            a.mul(b),
            a.div(b),
            a.abs().sqrt(),
            a.larger(b),
            a.smaller(b),
            a.abs(),
            a.copysign(b),
            a.and_not(masks[0]),
        ];
        results.extend(masks.map(|mask| mask.select(a, b)));
        (results.into_iter().map(L::to_array).collect(), masks.map(L::bits).into())
    }
}

/// The functions of a tick on one vector each.
#[derive(Clone, Copy)]
struct Functions([f64; 4], [[f64; 4]; 3]);

impl Kernel for Functions {
    type Output = [[f64; 4]; 3];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let x = L::from_array(self.0);
        [tanh_in(x).to_array(), exp_in(x).to_array(), magnitude_in(self.1.map(L::from_array)).to_array()]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_operation_gives_the_bits_of_plain_numbers(a in four(), b in four()) {
        let (want, want_masks) = InstructionSet::PORTABLE.run(Operations(a, b));
        for set in InstructionSet::all() {
            let (got, masks) = set.run(Operations(a, b));
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                prop_assert_eq!(bits(got), bits(want), "operation {} of {} on {:?} {:?}", i, set, a, b);
            }
            prop_assert_eq!(&masks, &want_masks, "masks of {}", set);
        }
    }

    #[test]
    fn every_function_gives_the_bits_of_the_naive_one(x in four(), v in prop::array::uniform3(four())) {
        for set in InstructionSet::all() {
            let [tanhs, exps, magnitudes] = set.run(Functions(x, v));
            for i in 0..4 {
                let naive = magnitude([v[0][i], v[1][i], v[2][i]]);
                prop_assert_eq!(bits(&[magnitudes[i]]), bits(&[naive]), "magnitude by {}", set);
                if !x[i].is_nan() {
                    prop_assert_eq!(tanhs[i].to_bits(), tanh(x[i]).to_bits(), "tanh({:e}) by {}", x[i], set);
                    prop_assert_eq!(exps[i].to_bits(), exp(x[i]).to_bits(), "exp({:e}) by {}", x[i], set);
                }
            }
        }
    }
}

/// The rows of a batch, and their results.
struct Batch {
    rows: Vec<(Slot, Sample)>,
    results: Vec<Option<Row>>,
}

impl Rows for Batch {
    fn count(&self) -> usize {
        self.rows.len()
    }
    fn read(&self, row: usize) -> (Slot, Sample) {
        self.rows[row]
    }
    fn write(&mut self, row: usize, result: Option<Row>) {
        self.results[row] = result;
    }
}

/// The bits of a state, to be compared.
fn state_bits(state: &RouteState) -> Vec<u64> {
    let mut cells =
        vec![state.momentum, state.resistance, state.scar, state.last_updated_ms, state.recovery_started_ms];
    cells.extend(state.pressure.iter().chain(&state.previous_pressure));
    cells.extend([state.moments.mean, state.moments.variance, f64::from(state.moments_count)]);
    cells.extend([f64::from(state.ticks), f64::from(state.rejected_samples), f64::from(state.mode as u8)]);
    bits(&cells)
}

/// A reading, noise among them.
fn reading() -> impl Strategy<Value = Sample> {
    let or_noise = |usual: std::ops::Range<f64>| prop_oneof![8 => usual, 1 => number()];
    (or_noise(0.0..2_000.0), or_noise(0.0..1.2), or_noise(0.0..1.2))
        .prop_map(|(latency_ms, error_rate, saturation)| Sample { latency_ms, error_rate, saturation })
}

/// A batch as the numbers of its routes, which may repeat, and their readings.
fn a_batch() -> impl Strategy<Value = Vec<(usize, Sample)>> {
    let routes = prop_oneof![3 => Just(None), 1 => prop::collection::vec(0..70_usize, 67).prop_map(Some)];
    (0..=67_usize, 0..5_usize, routes, prop::collection::vec(reading(), 67)).prop_map(
        |(len, from, routes, readings)| {
            (0..len).map(|i| (routes.as_ref().map_or(from + i, |routes| routes[i]), readings[i])).collect()
        },
    )
}

/// A handle with `routes` routes, eleven of every sixteen under parameters of their own: groups of four share them, or not.
fn handle_of(routes: usize, params: &[RouteParams], set: Option<InstructionSet>) -> (Handle, Vec<Slot>) {
    let mut handle = Handle::alone(Limits::of_routes(1_000));
    if let Some(set) = set {
        handle.set_instruction_set(set);
    }
    let ids: Vec<u16> = params.iter().map(|&law| handle.define_params(law, None).expect("there is room")).collect();
    let slots: Vec<Slot> = (0..routes).map(|i| handle.intern(Name::from(format!("r{i}").as_str()), 0.0)).collect();
    for (i, &slot) in slots.iter().enumerate() {
        handle.set_params(slot, ids[usize::from(i % 16 < 11)]);
    }
    (handle, slots)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_batch_ticks_every_route_as_a_tick_of_its_own_does(
        laws in prop::array::uniform2(common::params()),
        batches in prop::collection::vec((a_batch(), prop_oneof![Just(0.0), -50.0..400.0_f64, Just(1e-300)]), 1..40),
        vacant in 0..80_usize,
    ) {
        let (mut naive, slots) = handle_of(72, &laws, None);
        naive.remove(slots.get(vacant).copied().unwrap_or(Slot::MAX));
        while naive.evicted().is_some() {}
        let mut handles: Vec<_> = InstructionSet::all().into_iter().map(|set| {
            let (mut handle, slots) = handle_of(72, &laws, Some(set));
            handle.remove(slots.get(vacant).copied().unwrap_or(Slot::MAX));
            while handle.evicted().is_some() {}
            (set, handle)
        }).collect();
        let mut now_ms = 1e6;
        for (batch, step_ms) in batches {
            now_ms += step_ms;
            let rows: Vec<_> = batch.into_iter().map(|(route, sample)| (slots[route], sample)).collect();
            let want: Vec<_> = rows.iter().map(|(slot, sample)| naive.tick(*slot, sample, now_ms)).collect();
            for (set, handle) in &mut handles {
                let mut batch = Batch { results: vec![None; rows.len()], rows: rows.clone() };
                handle.tick_batch(&mut batch, now_ms);
                for (got, want) in batch.results.iter().zip(&want) {
                    let parts = |row: &Row| (row.resistance.to_bits(), row.mode, row.tick, row.first_rejected);
                    prop_assert_eq!(got.as_ref().map(parts), want.as_ref().map(parts), "{}", set);
                }
            }
        }
        let used = |handle: &mut Handle| std::iter::from_fn(|| handle.next_dirty()).collect::<Vec<_>>();
        let want = used(&mut naive);
        for (set, handle) in &mut handles {
            for &slot in &slots {
                let of = |handle: &Handle| handle.state(slot).as_ref().map(state_bits);
                prop_assert_eq!(of(handle), of(&naive), "{}", set);
            }
            prop_assert_eq!(used(handle), want.clone(), "the order of use, {}", set);
        }
    }
}
