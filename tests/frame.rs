//! Both sides of the frame lay it out alike: `src/binding/frame.rs` and `ts/engine/port.ts`.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

mod reader;

use std::collections::BTreeMap;

use atrion::physics::{
    limit::Regime,
    mode::Mode,
    params::RouteParams,
    tick::Override,
    voltage::{TIERS, Tier},
};
use reader::{code_of, read, words};

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

/// Entries of a list of strings of port.ts.
fn list_of_port(name: &str) -> Vec<String> {
    let text = read("ts/engine/port.ts");
    let start = text.find(&format!("export const {name} = [")).unwrap_or_else(|| panic!("no {name} in port.ts"));
    let body = &text[start..][..text[start..].find(']').unwrap()];
    body[body.find('[').unwrap()..].split('\'').skip(1).step_by(2).map(String::from).collect()
}

fn number_of_port(name: &str) -> usize {
    let code = code_of(&read("ts/engine/port.ts"));
    let at = code.find(&format!("export const {name} = ")).unwrap_or_else(|| panic!("no {name} in port.ts"));
    words(&code[at..]).nth(3).unwrap().parse().unwrap()
}

/// The constants of a module of frame.rs.
fn constants_of_frame(module: &str) -> BTreeMap<String, usize> {
    let code = code_of(&read("src/binding/frame.rs"));
    let body = &code[code.find(&format!("pub mod {module} {{")).unwrap()..];
    constants(&body[..body.find('}').unwrap()])
}

fn constants(code: &str) -> BTreeMap<String, usize> {
    code.split("pub const ")
        .skip(1)
        .map(|constant| {
            let (name, value) = constant.split_once(": ").unwrap();
            let value = value.split_once("= ").unwrap().1.split(';').next().unwrap();
            (name.to_string(), value.parse().expect("a number"))
        })
        .collect()
}

/// The elements of the `let block = […]` of a function of frame.rs, in order.
fn block_of_frame(function: &str) -> Vec<String> {
    let code = code_of(&read("src/binding/frame.rs"));
    let body = &code[code.find(&format!("pub fn {function}(")).unwrap()..];
    let body = &body[body.find("let block = [").unwrap() + "let block = [".len()..];
    body[..body.find("\n    ];").unwrap()]
        .lines()
        .map(|line| line.trim().trim_end_matches(',').to_string())
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_frame_is_laid_out_alike_on_both_sides() {
    let mut port = object_of_port("FRAME");
    assert_eq!(port.remove("LENGTH"), constants(&code_of(&read("src/binding/frame.rs"))).get("FRAME_CELLS").copied());
    assert_eq!(constants_of_frame("cell"), port);
    assert_eq!(constants_of_frame("status"), object_of_port("STATUS"));
    assert_eq!(number_of_port("ROW_CELLS"), constants(&code_of(&read("src/binding/frame.rs")))["ROW_CELLS"]);
}

/// What the engine writes to a block, against where the port says it is; a cell of several numbers takes several places.
fn assert_block(function: &str, object: &str, fields: &[(&str, &str)]) {
    let port = object_of_port(object);
    let block = block_of_frame(function);
    assert_eq!(port["LENGTH"], block.len(), "{object}");
    assert_eq!(port.len() - 1, fields.len(), "every cell of {object} is looked at");
    for (cell, field) in fields {
        let written = &block[port[*cell]];
        let named = words(written).any(|word| word == *field) || written.contains(field);
        assert!(named, "{object}.{cell}: {function} writes {written}");
    }
}

#[test]
fn the_state_block_is_laid_out_alike_on_both_sides() {
    let fields = [
        ("MODE", "state.mode"),
        ("LATENCY", "state.pressure[0]"),
        ("ERROR", "state.pressure[1]"),
        ("SATURATION", "state.pressure[2]"),
        ("PREVIOUS_LATENCY", "state.previous_pressure[0]"),
        ("PREVIOUS_ERROR", "state.previous_pressure[1]"),
        ("PREVIOUS_SATURATION", "state.previous_pressure[2]"),
        ("MOMENTUM", "momentum"),
        ("SCAR", "scar"),
        ("RESISTANCE", "resistance"),
        ("TICKS", "ticks"),
        ("LAST_UPDATED_AT", "last_updated_ms"),
        ("RECOVERY_STARTED_AT", "recovery_started_ms"),
        ("TUNER_MEAN", "state.moments.mean"),
        ("TUNER_VARIANCE", "state.moments.variance"),
        ("TUNER_COUNT", "moments_count"),
        ("REJECTED_SAMPLES", "rejected_samples"),
        ("LAW", "params_id"),
    ];
    let told = [("OTHERS", "peers"), ("SUFFERED", "reported")];
    assert_block("write_state", "STATE", &[&fields[..], &told].concat());

    // And read back from the same cells: c(i) beside its field.
    let code = code_of(&read("src/binding/frame.rs"));
    let reader = &code[code.find("pub fn read_state(").unwrap()..];
    let port = object_of_port("STATE");
    for (cell, field) in fields {
        let field = field.trim_start_matches("state.").split(['[', '.']).next_back().unwrap().trim_end_matches(']');
        if field.parse::<usize>().is_ok() {
            continue;
        }
        let at = reader.find(&format!("{field}: ")).unwrap_or_else(|| panic!("read_state fills no {field}"));
        let value = &reader[at..][..reader[at..].find('\n').unwrap()];
        assert!(value.contains(&format!("c({})", port[cell])), "STATE.{cell} is read as {value}");
    }
    for (vector, first) in [("pressure", "LATENCY"), ("previous_pressure", "PREVIOUS_LATENCY")] {
        let i = port[first];
        let wanted = format!("{vector}: [c({i}), c({}), c({})]", i + 1, i + 2);
        assert!(reader.contains(&wanted), "read_state does not read {wanted}");
    }
}

#[test]
fn the_stats_block_is_laid_out_alike_on_both_sides() {
    let block = block_of_frame("write_stats");
    let port = object_of_port("STATS");
    assert_eq!(block.len(), port["LENGTH"]);
    for tier in 0..TIERS {
        assert_eq!(block[port["SHED_BY_TIER"] + tier], format!("shed[{tier}]"));
    }
    let fields: BTreeMap<&str, &str> =
        BTreeMap::from([("SHED_BY_TIER", "shed"), ("P50_MS", "p50_ms"), ("P99_MS", "p99_ms")]);
    for (cell, &index) in port.iter().filter(|(cell, _)| *cell != "LENGTH") {
        let field = fields.get(cell.as_str()).map_or_else(|| cell.to_lowercase(), ToString::to_string);
        assert!(words(&block[index]).any(|word| word == field), "STATS.{cell}: write_stats writes {}", block[index]);
    }
}

#[test]
fn the_numbers_of_modes_tiers_orders_and_outcomes_agree() {
    let modes = [Mode::Bootstrap, Mode::Operational, Mode::CircuitBreaker];
    assert_eq!(list_of_port("MODES"), ["BOOTSTRAP", "OPERATIONAL", "CIRCUIT_BREAKER"]);
    assert_eq!(modes.map(|mode| mode as u8), [0, 1, 2]);
    assert_eq!(modes.map(|mode| Mode::from_index(mode as u8)), modes.map(Some));
    assert_eq!(Mode::from_index(3), None);

    let tiers = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];
    let names: Vec<_> = tiers.iter().map(|tier| format!("{tier:?}").to_lowercase()).collect();
    assert_eq!(list_of_port("TIERS"), names);
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

/// Not what the source says but what it does: each cell of a law, told apart by its value, arrives where the port says.
#[test]
fn the_cells_of_a_law_arrive_in_their_fields() {
    let mut port = object_of_port("LAW");
    assert_eq!(port.remove("LENGTH"), Some(RouteParams::CELLS));
    let cells: Vec<f64> = (0..RouteParams::CELLS).map(|i| i as f64 + 1.0).collect();
    let params = RouteParams::from_cells(&cells);
    let tuner = params.tuner.expect("its cell is not 0");
    let k = cells[port["TANH_SCALE"]];
    let arrived = BTreeMap::from([
        ("BASE_RESISTANCE", params.base_resistance),
        ("DECAY_RATE", params.decay_per_ms * 1e3),
        ("SCAR_FACTOR", params.scar_factor),
        ("DAMPING_FACTOR", params.damping_factor),
        ("CRITICAL_PRESSURE", params.critical_pressure),
        ("BREAK_MULTIPLIER", params.break_multiplier),
        ("BOOTSTRAP_TICKS", f64::from(params.bootstrap_ticks)),
        ("MIN_DELTA_T", params.min_delta_t_ms),
        ("TANH_SCALE", params.gains[0] * params.baselines[0]),
        ("BASELINE_LATENCY_MS", params.baselines[0]),
        ("BASELINE_ERROR_RATE", params.baselines[1]),
        ("BASELINE_SATURATION", params.baselines[2]),
        ("WEIGHT_LATENCY", params.weights[0]),
        ("WEIGHT_ERROR", params.weights[1]),
        ("WEIGHT_SATURATION", params.weights[2]),
        ("DEADLINE_MS", params.limit.deadline_ms),
        ("TUNER", cells[port["TUNER"]]),
        ("TUNER_WINDOW", 2.0 / tuner.alpha - 1.0),
        ("TUNER_SENSITIVITY", tuner.sensitivity),
        ("TUNER_MIN_FLOOR", tuner.min_floor),
        ("TUNER_HARD_CEILING", tuner.hard_ceiling),
        ("TUNER_WARMUP_TICKS", f64::from(tuner.warmup_ticks)),
        ("TUNER_RECOVERY_MULTIPLIER", tuner.recovery_multiplier),
        ("MAX_DURATION_MS", params.max_duration_ms),
        ("MIN_LIMIT", params.limit.min),
        ("MAX_LIMIT", params.limit.max),
        ("INITIAL_LIMIT", params.limit.initial),
        ("POOL", params.pool as f64),
        ("RESERVE", f64::from(params.reserve[0])),
    ]);
    assert_eq!(arrived.keys().collect::<Vec<_>>(), port.keys().collect::<Vec<_>>(), "every cell is looked at");
    for (cell, value) in arrived {
        assert!((value - cells[port[cell]]).abs() < 1e-9, "LAW.{cell} arrives as {value}");
    }
    for (tier, share) in params.reserve.iter().enumerate() {
        assert!(
            (f64::from(*share) - cells[port["RESERVE"] + tier]).abs() < 1e-9,
            "the reserve of tier {tier} is {share}"
        );
    }
    for i in 0..3 {
        assert!((params.gains[i] - k / params.baselines[i]).abs() < 1e-12);
    }
    let mut without = cells.clone();
    without[port["TUNER"]] = 0.0;
    assert_eq!(RouteParams::from_cells(&without).tuner, None);
    assert_eq!(RouteParams::from_cells(&[]).base_resistance, 0.0, "missing cells are 0");
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
