//! Numbers that both sides of the frame give to the same things, in `src/binding/frame.rs`, `ts/engine/port.ts` and
//! `ts/engine/kinds.ts`. The cells are copied by a script, whose test is `__test__/package/frame.test.mjs`.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::collections::BTreeMap;

use crate::reader::{code_of, read};
use atrion::physics::{limit::Regime, mode::Mode, params::RouteParams, tick::Override, voltage::Tier};

/// `NAME: 1` pairs of an object of port.ts, or `NAME = 1` of an enum.
fn object_of_port(name: &str) -> BTreeMap<String, usize> {
    let code = code_of(&read("ts/engine/port.ts"));
    let start = [format!("export const {name} = {{"), format!("export enum {name} {{")]
        .iter()
        .find_map(|opening| code.find(opening))
        .unwrap_or_else(|| panic!("no {name} in port.ts"));
    let body = &code[start..][..code[start..].find('}').unwrap()];
    let body = &body[body.find('{').unwrap() + 1..];
    body.split(',')
        .filter_map(|entry| entry.split_once([':', '=']))
        .map(|(key, value)| (key.trim().to_string(), value.trim().parse().expect("a number")))
        .collect()
}

/// Entries of a list of strings of a file of `ts/engine`.
fn list_of(file: &str, name: &str) -> Vec<String> {
    let text = read(&format!("ts/engine/{file}"));
    let start = text.find(&format!("export const {name} = [")).unwrap_or_else(|| panic!("no {name} in {file}"));
    let body = &text[start..][..text[start..].find(']').unwrap()];
    body[body.find('[').unwrap()..].split('\'').skip(1).step_by(2).map(String::from).collect()
}

#[test]
fn the_numbers_of_modes_tiers_orders_and_outcomes_agree() {
    let modes = [Mode::Bootstrap, Mode::Operational, Mode::CircuitBreaker];
    assert_eq!(list_of("port.ts", "MODES"), ["BOOTSTRAP", "OPERATIONAL", "CIRCUIT_BREAKER"]);
    assert_eq!(modes.map(|mode| mode as u8), [0, 1, 2]);
    assert_eq!(modes.map(|mode| Mode::from_index(mode as u8)), modes.map(Some));
    assert_eq!(Mode::from_index(3), None);

    let tiers = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];
    let names: Vec<_> = tiers.iter().map(|tier| format!("{tier:?}").to_lowercase()).collect();
    assert_eq!(list_of("kinds.ts", "TIERS"), names);
    assert_eq!(tiers.map(|tier| Tier::from_index(tier as u8)), tiers.map(Some));
    assert_eq!(Tier::from_index(5), None);

    for (name, number) in object_of_port("ORDER") {
        let order = [Override::None, Override::Open, Override::Closed][number];
        assert_eq!((format!("{order:?}").to_uppercase(), order as usize), (name, number));
    }
    let frame = code_of(&read("src/binding/frame.rs"));
    let outcomes = object_of_port("OUTCOME");
    for (name, number) in &outcomes {
        let variant = name[..1].to_string() + &name[1..].to_lowercase();
        // Any other number reclaims.
        let arm = if name == "RECLAIMED" { "_".to_string() } else { number.to_string() };
        assert!(frame.contains(&format!("{arm} => Outcome::{variant}")), "OUTCOME.{name} is {number}");
    }
    assert_eq!([Regime::Unknown, Regime::Queueing, Regime::Free].map(|regime| regime as u8), [0, 1, 2]);
}

/// The defaults of the crate are those of the package.
#[test]
fn the_default_law_is_the_documented_one() {
    let params = RouteParams::default();
    assert_eq!(
        (params.base_resistance, params.decay_per_ms * 1e3, params.scar_factor, params.damping_factor),
        (10.0, 0.1, 5.0, 20.0)
    );
    assert_eq!(
        (params.critical_pressure, params.break_multiplier, params.bootstrap_ticks, params.min_delta_t_ms),
        (0.7, 10.0, 10, 100.0)
    );
    assert_eq!((params.baselines, params.limit.deadline_ms), ([100.0, 0.01, 0.5], 500.0));
    for (weight, criticality) in params.weights.into_iter().zip([5.0_f64, 8.0, 3.0]) {
        assert!((weight - criticality.ln_1p()).abs() < 1e-15);
    }
    let tuner = params.tuner.expect("on by default");
    assert_eq!((tuner.alpha, tuner.sensitivity, tuner.min_floor), (2.0 / 101.0, 3.0, 30.0));
    assert_eq!((tuner.hard_ceiling, tuner.warmup_ticks, tuner.recovery_multiplier), (500.0, 50, 0.5));
}
