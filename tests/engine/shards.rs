//! An engine with shards gives the answers that one table gives, and keeps its bounds.
#![allow(clippy::float_cmp, reason = "where an answer is exact, that is what is asserted")]

use std::{collections::HashSet, fmt::Write as _, sync::Arc};

use atrion::{
    engine::{Engine, Evicted, Handle, Limits, Name, Outcome, PermitId, Row, Rows, Slot},
    physics::{limit::LimitLaw, params::RouteParams, peers::Blend, pressure::Sample, tick::Override, voltage::Tier},
    replication::Mailbox,
};
use proptest::prelude::*;

use crate::common;

const ROUTES: usize = 12;
const TIERS: [Tier; 5] = [Tier::Bulk, Tier::Low, Tier::Normal, Tier::High, Tier::Critical];
const OUTCOMES: [Outcome; 4] = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Detached];

fn name(route: usize) -> Name {
    Name::from(format!("route {route}").as_str())
}

/// The part of peers in a route, where they have one.
fn some(peers: Option<&Blend>) -> Option<&Blend> {
    peers.filter(|&blend| *blend != Blend::NONE)
}

/// Rows of a batch, and the results as text.
struct Batch(Vec<(Slot, Sample, String)>);

impl Rows for Batch {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn read(&self, row: usize) -> (Slot, Sample) {
        (self.0[row].0, self.0[row].1)
    }
    fn write(&mut self, row: usize, result: Option<Row>) {
        self.0[row].2 = format!("{result:?}");
    }
}

/// A handle with routes, the permits that it was given, and two laws whose routes share a limit.
struct Side {
    handle: Handle,
    slots: Vec<Slot>,
    /// The number of routes that were made: one that is removed comes back by another name, since it may come back in another slot.
    made: usize,
    laws: [u16; 3],
    permits: Vec<PermitId>,
    mailbox: Arc<Mailbox>,
}

#[derive(Debug, Clone)]
enum Act {
    Route(usize, Sample),
    Acquire(usize, usize, f64),
    Release(usize, usize),
    Batch(Vec<usize>, Sample),
    Law(usize, usize),
    Order(usize, bool),
    Remove(usize),
    Blocked,
    Lease(usize, bool),
    DryRun(bool),
    Blend(usize, f64),
    Traumatise(usize),
    Sync,
    Dirty,
}

fn acts() -> impl Strategy<Value = Vec<(f64, Act)>> {
    let route = 0..ROUTES;
    let rows = prop::collection::vec(0..ROUTES, 1..40);
    let act = prop_oneof![
        4 => (route.clone(), common::samples()).prop_map(|(route, sample)| Act::Route(route, sample)),
        20 => (route.clone(), 0..5_usize, 0.0..1.0).prop_map(|(route, tier, level)| Act::Acquire(route, tier, level)),
        16 => (any::<usize>(), 0..4_usize).prop_map(|(pick, outcome)| Act::Release(pick, outcome)),
        3 => (rows, common::samples()).prop_map(|(rows, sample)| Act::Batch(rows, sample)),
        3 => (route.clone(), 0..3_usize).prop_map(|(route, law)| Act::Law(route, law)),
        1 => (route.clone(), any::<bool>()).prop_map(|(route, open)| Act::Order(route, open)),
        1 => route.clone().prop_map(Act::Remove),
        1 => Just(Act::Blocked),
        1 => (route.clone(), any::<bool>()).prop_map(|(route, taken)| Act::Lease(route, taken)),
        1 => any::<bool>().prop_map(Act::DryRun),
        1 => (route.clone(), 0.0..50.0).prop_map(|(route, add)| Act::Blend(route, add)),
        1 => route.prop_map(Act::Traumatise),
        1 => Just(Act::Sync),
        1 => Just(Act::Dirty),
    ];
    prop::collection::vec((prop_oneof![Just(0.0), 0.0..20.0, 0.0..2000.0], act), 1..200)
}

impl Side {
    fn new(mut handle: Handle) -> Self {
        let limit = LimitLaw { min: 1.0, max: 6.0, initial: 3.0, ..RouteParams::default().limit };
        let mut law = |pool| handle.define_params(RouteParams { pool, limit, ..RouteParams::default() }, None);
        let laws = [0, 1, 2].map(|pool| law(pool).expect("there is room"));
        let slots = (0..ROUTES).map(|route| handle.intern(name(route), 0.0)).collect();
        Self { handle, slots, made: ROUTES, laws, permits: Vec::new(), mailbox: Arc::new(Mailbox::new(100)) }
    }

    /// Does it; what comes of it, but for the numbers of slots and permits.
    fn act(&mut self, act: &Act, now_ms: f64) -> String {
        let Self { handle, slots, made, laws, permits, mailbox } = self;
        let mut answer = String::new();
        match act {
            Act::Route(route, sample) => {
                handle.route(slots[*route], sample, 20.0, None, now_ms, |decision, state, peers| {
                    answer = format!("{decision:?} {state:?} {:?}", some(peers));
                });
            }
            Act::Acquire(route, tier, level) => {
                let ask = common::ask(TIERS[*tier], Some(*level));
                let mut permit = None;
                handle.acquire(slots[*route], ask, 0.0, now_ms, |result, state, peers| {
                    permit = result.permit;
                    let given = atrion::engine::AcquireResult { permit: None, ..*result };
                    answer = format!("{} {given:?} {state:?} {:?}", permit.is_some(), some(peers));
                });
                if let Some(id) = permit {
                    assert_eq!(handle.slot_of(id), Some(slots[*route]));
                    assert_eq!(handle.admitted_ms(id), Some(now_ms));
                    permits.push(id);
                }
            }
            Act::Release(pick, outcome) => {
                if permits.is_empty() {
                    return answer;
                }
                let id = permits.swap_remove(pick % permits.len());
                let home = handle.slot_of(id);
                let excused_ms = handle.postpone(id, true, now_ms, |_| 1.0);
                let age_ms = handle.release(id, OUTCOMES[*outcome], now_ms, |slot, tick, state, peers| {
                    assert_eq!(Some(slot), home, "a tick is of the route whose permit it was");
                    answer = format!("{tick:?} {state:?} {:?}", some(peers));
                });
                assert_eq!(handle.release(id, Outcome::Success, now_ms, |_, _, _, _| {}), None, "it is void by now");
                write!(answer, " {age_ms:?} {excused_ms}").expect("text is written");
            }
            Act::Batch(rows, sample) => {
                let mut batch = Batch(rows.iter().map(|&route| (slots[route], *sample, String::new())).collect());
                handle.tick_batch(&mut batch, now_ms);
                answer = batch.0.into_iter().map(|row| row.2).collect();
            }
            Act::Law(route, law) => answer = handle.set_params(slots[*route], laws[*law]).to_string(),
            Act::Order(route, open) => {
                handle.set_override(slots[*route], if *open { Override::Open } else { Override::None });
            }
            Act::Remove(route) => {
                handle.remove(slots[*route]);
                while handle.evicted().is_some() {}
                slots[*route] = handle.intern(name(*made), now_ms);
                *made += 1;
            }
            Act::Blocked => handle.blocked(now_ms - 100.0, now_ms),
            Act::Lease(route, taken) => handle.lease(slots[*route], *taken, now_ms),
            Act::DryRun(dry_run) => handle.set_dry_run(*dry_run),
            Act::Blend(route, add) => {
                handle.set_blend(slots[*route], Blend { add: *add, ..Blend::NONE });
            }
            Act::Traumatise(route) => handle.traumatise(slots[*route], 5.0, now_ms),
            Act::Sync => {
                let synced = handle.sync(mailbox, 0.3, now_ms);
                let mut reports = mailbox.take_outgoing().reports;
                reports.sort_by(|a, b| a.name.cmp(&b.name));
                answer = format!("{synced:?} {reports:?}");
            }
            Act::Dirty => {
                let used: Vec<_> = std::iter::from_fn(|| handle.next_dirty()).collect();
                let mut names: Vec<_> =
                    used.into_iter().map(|slot| handle.name(slot).expect("a route").shared()).collect();
                names.sort();
                answer = format!("{names:?}");
            }
        }
        answer
    }

    /// All that can be asked of it.
    fn picture(&mut self) -> String {
        let Self { handle, slots, .. } = self;
        let of = |slot: &Slot| {
            let (mut metrics, slot) = (String::new(), *slot);
            handle.metrics(slot, |found| metrics = format!("{found:?}"));
            let (state, reported) = (handle.state(slot), handle.reported_state(slot));
            format!("{metrics} {state:?} {reported:?} {:?} {:?}\n", handle.parts(slot), handle.stats(slot))
        };
        slots.iter().map(of).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn shards_answer_to_the_last_bit_what_one_table_answers(bits in 1_u32..6, acts in acts()) {
        let limits = Limits::of_routes(100);
        let mut one = Side::new(Handle::alone(limits));
        let mut many = Side::new(Handle::new(Engine::with_shards(limits, 1 << bits)));
        let shards: HashSet<_> = many.slots.iter().map(|slot| slot & ((1 << bits) - 1)).collect();
        prop_assert_eq!(shards.len(), ROUTES.min(1 << bits), "each of a few routes has a shard of its own");
        let mut now_ms = 0.0;
        for (after_ms, act) in acts {
            now_ms += after_ms;
            prop_assert_eq!(one.act(&act, now_ms), many.act(&act, now_ms), "{:?} at {}", act, now_ms);
        }
        prop_assert_eq!(one.picture(), many.picture());
    }

    /// Against a list of names for each shard, the least recently used first.
    #[test]
    fn shards_keep_the_bounds_of_all_and_each_gives_its_least_recently_used(
        bits in 0_u32..4, max_routes in 1_u32..40, max_name_bytes in 20_usize..400, acts in prop::collection::vec((0_usize..60, 0_u8..8), 1..300),
    ) {
        let shards = 1_usize << bits;
        let limits = Limits { max_routes, max_name_bytes };
        let engine = Engine::with_shards(limits, 1 << bits);
        let mut handle = Handle::new(Arc::clone(&engine));
        let mut model: Vec<Vec<usize>> = vec![Vec::new(); shards];
        let bytes = |model: &[Vec<usize>]| model.iter().flatten().map(|&route| name(route).len()).sum::<usize>();
        for (route, act) in acts {
            let known = handle.find(&name(route));
            prop_assert_eq!(known.is_some(), model.iter().flatten().any(|&one| one == route));
            match (act, known) {
                (0, Some(slot)) => {
                    handle.remove(slot);
                    prop_assert_eq!(handle.evicted(), Some(Evicted::Slot(slot)));
                    model[slot as usize % shards].retain(|&one| one != route);
                }
                (_, Some(slot)) => {
                    let list = &mut model[slot as usize % shards];
                    list.retain(|&one| one != route);
                    list.push(route);
                    let is_same = if act == 1 { handle.intern(name(route), 0.0) == slot } else { handle.touch(slot) };
                    prop_assert!(is_same);
                }
                (_, None) => {
                    let slot = handle.intern(name(route), 0.0);
                    while let Some(gone) = handle.evicted() {
                        let Evicted::Slot(gone) = gone else { panic!("few were evicted") };
                        let fullest = model.iter().map(Vec::len).max();
                        let list = &mut model[gone as usize % shards];
                        prop_assert_eq!(Some(list.len()), fullest, "of the fullest shard");
                        list.remove(0);
                        prop_assert!(handle.name(gone).is_none_or(|_| gone == slot), "no other route has taken the slot");
                    }
                    let list = &model[slot as usize % shards];
                    prop_assert_eq!(Some(list.len()), model.iter().map(Vec::len).min(), "to the emptiest shard");
                    model[slot as usize % shards].push(route);
                    prop_assert_eq!(handle.name(slot), Some(name(route)));
                }
            }
            let routes: usize = model.iter().map(Vec::len).sum();
            prop_assert_eq!(engine.len(), routes);
            prop_assert!(routes <= max_routes as usize && (routes == 1 || bytes(&model) <= max_name_bytes));
            let (mut there, mut wanted): (Vec<_>, Vec<_>) =
                (engine.names(), model.iter().flatten().map(|&route| name(route)).collect());
            there.sort_by(|a, b| a.bytes().cmp(b.bytes()));
            wanted.sort_by(|a, b| a.bytes().cmp(b.bytes()));
            prop_assert_eq!(there, wanted);
        }
        prop_assert!(handle.slots() as usize <= max_routes as usize + 2 * shards, "slots are dense");
    }
}

#[test]
fn there_are_as_many_shards_as_there_is_room_for_and_at_most_32() {
    for (max_routes, wanted) in [(1, 1), (127, 1), (128, 2), (1000, 8), (65_536, 32), (1 << 24, 32)] {
        let engine = Engine::new(Limits::of_routes(max_routes));
        let mut handle = Handle::new(Arc::clone(&engine));
        handle.intern(name(0), 0.0);
        // The second route of a shard comes after the first of all of them.
        assert_eq!(handle.slots(), wanted, "{max_routes} routes");
    }
}
