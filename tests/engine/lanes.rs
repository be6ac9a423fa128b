//! Lanes: classes of keys that a share of a route's limit is reserved for. Their counts, whatever happens to permits, routes and pools.

use std::sync::Arc;

use atrion::{
    engine::{AcquireRequest, Engine, Handle, Key, Limits, Name, Outcome, PermitId, Priority, Slot},
    physics::{
        limit::LimitLaw,
        params::{LANES, RESERVES, RouteParams},
        tick::Override,
        voltage::{TIERS, Tier},
    },
};
use proptest::prelude::*;

const ROUTES: usize = 4;
const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Reclaimed, Outcome::Detached];

fn tier(index: usize) -> Tier {
    Tier::from_index(index as u8).expect("one of five")
}

/// A law of a few places, whose permits are reclaimed after a second.
fn law(pool: u64, reserve: [f32; RESERVES]) -> RouteParams {
    RouteParams {
        limit: LimitLaw { min: 1.0, max: 12.0, initial: 8.0, ..RouteParams::default().limit },
        max_duration_ms: 1000.0,
        pool,
        reserve,
        ..RouteParams::default()
    }
}

#[derive(Debug, Clone)]
enum Act {
    Acquire { route: usize, tier: usize, lane: Option<u8>, waited_ms: f64 },
    Release { at: usize, outcome: usize },
    Law { route: usize, law: usize },
    Lease { route: usize, taken: bool },
    Order { route: usize, order: usize },
    Remove { route: usize },
    DryRun(bool),
    Pass(f64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let route = 0..ROUTES;
    let waited_ms = prop_oneof![4 => Just(-1.0), 2 => 0.0..200.0, 1 => Just(f64::INFINITY)];
    let lane = prop_oneof![1 => Just(None), 4 => (0_u8..6).prop_map(Some)];
    let act = prop_oneof![
        12 => (route.clone(), 0..TIERS, lane, waited_ms)
            .prop_map(|(route, tier, lane, waited_ms)| Act::Acquire { route, tier, lane, waited_ms }),
        8 => (0_usize..64, 0..OUTCOMES.len()).prop_map(|(at, outcome)| Act::Release { at, outcome }),
        3 => (route.clone(), 0_usize..4).prop_map(|(route, law)| Act::Law { route, law }),
        1 => (route.clone(), any::<bool>()).prop_map(|(route, taken)| Act::Lease { route, taken }),
        1 => (route.clone(), 0_usize..3).prop_map(|(route, order)| Act::Order { route, order }),
        1 => route.prop_map(|route| Act::Remove { route }),
        1 => any::<bool>().prop_map(Act::DryRun),
        4 => prop_oneof![0.1..50.0, 200.0..2500.0].prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..160)
}

/// A permit as the model has it.
struct Granted {
    id: PermitId,
    route: usize,
    lane: usize,
}

/// An engine, and the model beside it.
struct World {
    handle: Handle,
    slots: [Slot; ROUTES],
    /// The pool that each route's law names, and the one that it joined when its closed loop was last asked; None: it has none.
    named: [u64; ROUTES],
    joined: [Option<u64>; ROUTES],
    laws: Vec<(u16, u64)>,
    granted: Vec<Granted>,
    made: usize,
    now_ms: f64,
}

impl World {
    fn new(mut handle: Handle) -> Self {
        let mut reserve = [0.0; RESERVES];
        reserve[TIERS..].copy_from_slice(&[0.2, 0.1, 0.3]);
        reserve[0] = 0.1;
        let laws = [law(0, [0.0; RESERVES]), law(0, reserve), law(7, reserve), law(9, reserve)]
            .map(|law| (handle.define_params(law, None).expect("room"), law.pool));
        let slots = std::array::from_fn(|route| handle.intern(Name::from(format!("r{route}").as_str()), 0.0));
        let (named, joined) = ([0; ROUTES], [None; ROUTES]);
        Self { handle, slots, named, joined, laws: laws.to_vec(), granted: Vec::new(), made: ROUTES, now_ms: 0.0 }
    }

    fn play(&mut self, act: &Act) {
        match *act {
            Act::Acquire { route, tier: index, lane, waited_ms } => {
                let key = lane.map(|lane| Key { hash: u64::from(lane) + 7, weight: 1.0, class: Some(3), lane });
                let priority = Priority::Tier(tier(index), None);
                let request = AcquireRequest { priority, key, waited_ms, ..AcquireRequest::default() };
                let mut permit = None;
                let slot = self.slots[route];
                self.handle.acquire(slot, request, 0.0, self.now_ms, |result, _, _| permit = result.permit);
                self.joined[route] = Some(self.named[route]);
                let lane = lane.map_or(0, usize::from);
                let lane = if lane <= LANES { lane } else { 0 };
                self.granted.extend(permit.map(|id| Granted { id, route, lane }));
            }
            Act::Release { at, outcome } if !self.granted.is_empty() => {
                let id = self.granted[at % self.granted.len()].id;
                let is_valid = self.handle.slot_of(id).is_some();
                let taken = self.handle.release(id, OUTCOMES[outcome], self.now_ms, |_, _, _, _| {});
                assert_eq!(taken.is_some(), is_valid);
                assert!(self.handle.release(id, Outcome::Success, self.now_ms, |_, _, _, _| {}).is_none());
            }
            Act::Law { route, law } => {
                let (id, pool) = self.laws[law];
                assert!(self.handle.set_params(self.slots[route], id));
                self.named[route] = pool;
            }
            Act::Lease { route, taken } => {
                self.handle.lease(self.slots[route], taken, self.now_ms);
                if taken || self.joined[route].is_some() {
                    self.joined[route] = Some(self.named[route]);
                }
            }
            Act::Order { route, order } => {
                self.handle.set_override(self.slots[route], [Override::None, Override::Open, Override::Closed][order]);
            }
            Act::Remove { route } => {
                self.handle.remove(self.slots[route]);
                while self.handle.evicted().is_some() {}
                self.made += 1;
                let name = Name::from(format!("r{}", self.made).as_str());
                self.slots[route] = self.handle.intern(name, self.now_ms);
                (self.named[route], self.joined[route]) = (0, None);
            }
            Act::DryRun(dry_run) => self.handle.set_dry_run(dry_run),
            Act::Pass(ms) => self.now_ms += ms,
            Act::Release { .. } => {}
        }
        let handle = &self.handle;
        self.granted.retain(|permit| handle.slot_of(permit.id).is_some());
    }

    /// Requests in flight of each lane that count against the limit of a route, by the permits that are out.
    fn model(&self, route: usize) -> [u32; LANES] {
        let mut counts = [0; LANES];
        for permit in &self.granted {
            let shares = permit.route == route
                || self.joined[route] != Some(0) && self.joined[permit.route] == self.joined[route];
            if shares && permit.lane > 0 {
                counts[permit.lane - 1] += 1;
            }
        }
        counts
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_lane_counts_the_permits_that_are_out_and_no_other(acts in acts(), is_shared in any::<bool>()) {
        let limits = Limits::of_routes(100);
        let handle = if is_shared { Handle::new(Engine::with_shards(limits, 4)) } else { Handle::alone(limits) };
        let mut world = World::new(handle);
        for (turn, act) in acts.iter().enumerate() {
            world.play(act);
            for route in 0..ROUTES {
                let stats = world.handle.stats(world.slots[route]);
                prop_assert_eq!(stats.is_some(), world.joined[route].is_some());
                let Some(stats) = stats else { continue };
                prop_assert_eq!(stats.in_flight_by_lane, world.model(route), "route {} after {}: {:?}", route, turn, act);
            }
        }
        // Every permit that is out comes back, and nothing is left.
        for permit in std::mem::take(&mut world.granted) {
            world.handle.release(permit.id, Outcome::Success, world.now_ms, |_, _, _, _| {});
        }
        for slot in world.slots {
            let left = world.handle.stats(slot).map_or([0; LANES], |stats| stats.in_flight_by_lane);
            prop_assert_eq!(left, [0; LANES]);
        }
    }

    #[test]
    fn an_image_has_the_counts_of_lanes(acts in acts()) {
        let mut world = World::new(Handle::alone(Limits::of_routes(100)));
        for act in &acts {
            world.play(act);
        }
        let image = world.handle.image(1 << 24).expect("it is small");
        let mut other = Handle::alone(Limits::of_routes(100));
        prop_assert!(other.load_image(&image).is_some());
        for slot in world.slots {
            let counts = |handle: &Handle| handle.stats(slot).map(|stats| stats.in_flight_by_lane);
            prop_assert_eq!(counts(&other), counts(&world.handle));
        }
        // The permits of the image end there as they end here.
        for permit in &world.granted {
            for handle in [&mut other, &mut world.handle] {
                // One that comes back late finds that it was reclaimed.
                handle.release(permit.id, Outcome::Success, world.now_ms, |_, _, _, _| {});
            }
        }
        for slot in world.slots {
            prop_assert_eq!(other.stats(slot).map_or([0; LANES], |stats| stats.in_flight_by_lane), [0; LANES]);
        }
    }
}

/// Two handles of one engine count in the same lanes.
#[test]
fn threads_of_one_engine_share_the_counts_of_lanes() {
    let engine = Engine::new(Limits::of_routes(100));
    let mut handles = [Handle::new(Arc::clone(&engine)), Handle::new(engine)];
    let mut reserve = [0.0; RESERVES];
    reserve[TIERS] = 0.5;
    let id = handles[0].define_params(law(3, reserve), None).expect("room");
    let slots = ["a", "b"].map(|name| handles[0].intern(name.into(), 0.0));
    for slot in slots {
        assert!(handles[0].set_params(slot, id));
    }
    let mut ids = Vec::new();
    for (turn, slot) in slots.into_iter().cycle().take(6).enumerate() {
        let key = Some(Key { hash: turn as u64, weight: 1.0, class: None, lane: 1 });
        let request = AcquireRequest { key, ..AcquireRequest::default() };
        handles[turn / 2 % 2].acquire(slot, request, 0.0, 0.0, |result, _, _| ids.extend(result.permit));
    }
    assert_eq!(ids.len(), 6);
    for (turn, id) in ids.into_iter().enumerate() {
        for handle in &handles {
            for slot in slots {
                let counts = handle.stats(slot).map(|stats| stats.in_flight_by_lane);
                assert_eq!(counts, Some([6 - turn as u32, 0, 0]));
            }
        }
        assert!(handles[turn % 2].release(id, Outcome::Success, 1.0, |_, _, _, _| {}).is_some());
    }
}
