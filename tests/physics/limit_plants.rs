//! The plants that the limit is tested with: known results of queueing theory hold in them.

use crate::plant::{
    Patience, Plant, Random, SHAPES, Scenario, Servers, Shape, Source, Steps,
    ceiling::ceiling,
    draws::TIERS,
    gate::Unguarded,
    outcome::{End, Run},
    play,
};

const SERVICE_MS: f64 = 10.0;
const DEADLINE_MS: f64 = 1000.0;

/// Random traffic of `load` to a plant of 10 ms, some 200 000 requests.
fn run(servers: Servers, shape: Shape, load: f64) -> Run {
    let plant = Plant::new(servers, shape, SERVICE_MS, DEADLINE_MS);
    let per_ms = load * plant.capacity_per_ms();
    let sources = vec![Source::Poisson(Steps::constant(per_ms))];
    let scenario = Scenario { plant, sources, tiers: TIERS, until_ms: 200_000.0 / per_ms, seed: 1 };
    play(&scenario, 0.0, &mut Unguarded)
}

fn mean_ms(run: &Run) -> f64 {
    run.requests.iter().map(|request| request.took_ms).sum::<f64>() / run.requests.len() as f64
}

fn assert_near(got: f64, expected: f64, share: f64) {
    assert!((got / expected - 1.0).abs() < share, "{got}, expected {expected}");
}

#[test]
fn every_shape_has_mean_one() {
    for shape in SHAPES {
        let mut random = Random::new(1, 1);
        let mean = (0..200_000).map(|_| shape.draw(&mut random)).sum::<f64>() / 200_000.0;
        assert_near(mean, 1.0, 0.02);
    }
}

#[test]
fn one_server_has_the_mean_latency_of_pollaczek_and_khinchine() {
    for (shape, squared_variation) in [(Shape::Constant, 0.0), (Shape::Exponential, 1.0), (Shape::Uniform, 1.0 / 3.0)] {
        let wait_ms = 0.5 * (1.0 + squared_variation) * SERVICE_MS * 0.7 / 0.3;
        assert_near(mean_ms(&run(Servers::Pool(1), shape, 0.7)), SERVICE_MS + wait_ms, 0.05);
    }
}

#[test]
fn several_servers_have_the_mean_latency_of_erlang_c() {
    let (servers, load) = (5, 0.8);
    let offered = load * servers as f64;
    let blocking = (1..=servers).fold(1.0, |b, c| offered * b / (c as f64 + offered * b));
    let waits = blocking / (1.0 - load * (1.0 - blocking));
    let wait_ms = waits * SERVICE_MS / (servers as f64 * (1.0 - load));
    assert_near(mean_ms(&run(Servers::Pool(servers), Shape::Exponential, load)), SERVICE_MS + wait_ms, 0.05);
}

#[test]
fn a_free_dependency_takes_its_service_time() {
    assert_near(mean_ms(&run(Servers::Free, Shape::Hyperexponential, 50.0)), SERVICE_MS, 0.02);
}

#[test]
fn shared_servers_have_the_mean_latency_of_processor_sharing_whatever_the_shape() {
    for shape in [Shape::Constant, Shape::Exponential, Shape::Bimodal] {
        let mean_ms = mean_ms(&run(Servers::Contended { peak: 1.0, slope: 0.0 }, shape, 0.6));
        assert_near(mean_ms, SERVICE_MS / 0.4, 0.06);
    }
}

#[test]
fn clients_leave_when_their_patience_ends_and_may_take_their_work_along() {
    let mut answered = [0; 2];
    for cancels in [false, true] {
        let mut plant = Plant::new(Servers::Pool(2), Shape::Exponential, SERVICE_MS, DEADLINE_MS);
        plant.patience = Some(Patience { after_ms: 50.0, cancels });
        let sources = vec![Source::Poisson(Steps::constant(1.5 * plant.capacity_per_ms()))];
        let scenario = Scenario { plant, sources, tiers: TIERS, until_ms: 10_000.0, seed: 2 };
        let run = play(&scenario, 0.0, &mut Unguarded);
        assert!(run.longest_ms() <= 50.0 + 1e-6);
        assert!(run.requests.iter().any(|request| request.end == End::Abandoned));
        answered[usize::from(cancels)] = run.requests.iter().filter(|request| request.end == End::Answered).count();
    }
    assert!(answered[1] > 2 * answered[0], "servers that work for the absent answer few: {answered:?}");
}

#[test]
fn the_ceiling_keeps_the_servers_busy_and_serves_the_top_tier_first() {
    let plant = Plant::new(Servers::Pool(4), Shape::Exponential, SERVICE_MS, 200.0);
    let per_ms = plant.capacity_per_ms();
    let sources = vec![Source::Poisson(Steps::constant(3.0 * per_ms))];
    let scenario = Scenario { plant, sources, tiers: TIERS, until_ms: 20_000.0, seed: 3 };
    let most = ceiling(&scenario, 1000.0);
    assert_near(most.goodput, per_ms * 19_000.0, 0.03);
    assert!(most.top > 0.999, "{}", most.top);
    assert!(play(&scenario, 0.0, &mut Unguarded).goodput(1000.0) < 0.1 * most.goodput);
}
