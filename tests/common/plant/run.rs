//! The simulation of a scenario.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, BinaryHeap, VecDeque},
};

use atrion::engine::{Outcome, PermitId};

use super::{
    Gate, Patience, Random, Scenario, Servers, Source,
    outcome::{End, Request, Run},
    traffic::{Arrival, open_arrivals},
};

/// An event of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A service ends.
    Served(usize),
    /// The first of the shared servers' services ends, unless more has happened since this was planned.
    SharedServed { version: u64 },
    /// A client's patience ends.
    Leaves(usize),
    /// A user asks.
    Asks(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    at_ms: f64,
    number: u64,
    kind: Kind,
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at_ms.total_cmp(&self.at_ms).then(other.number.cmp(&self.number))
    }
}

/// An admitted request.
#[derive(Debug, Clone, Copy)]
struct Job {
    arrival: Arrival,
    /// None: it is over for its client.
    permit: Option<PermitId>,
    user: Option<usize>,
    is_running: bool,
    is_cancelled: bool,
    /// The end of its work on the clock of the shared servers, as bits.
    ends_at: u64,
}

#[derive(Debug)]
struct User {
    random: Random,
    think_ms: f64,
    retry_ms: f64,
}

struct Simulation<'a, G> {
    scenario: &'a Scenario,
    gate: &'a mut G,
    start_ms: f64,
    now_ms: f64,
    events: BinaryHeap<Event>,
    planned: u64,
    requests: Vec<Request>,
    /// By request; None: refused.
    jobs: Vec<Option<Job>>,
    users: Vec<User>,
    queue: VecDeque<usize>,
    busy: usize,
    /// Shared servers: what is in flight by where it ends, the work each has had so far, and when that was reckoned.
    shared: BTreeSet<(u64, usize)>,
    shared_work_ms: f64,
    shared_ms: f64,
    version: u64,
}

/// Plays a scenario through a gate whose time is `start_ms` at its beginning.
pub fn play<G: Gate>(scenario: &Scenario, start_ms: f64, gate: &mut G) -> Run {
    let mut simulation = Simulation {
        scenario,
        gate,
        start_ms,
        now_ms: 0.0,
        events: BinaryHeap::new(),
        planned: 0,
        requests: Vec::new(),
        jobs: Vec::new(),
        users: Vec::new(),
        queue: VecDeque::new(),
        busy: 0,
        shared: BTreeSet::new(),
        shared_work_ms: 0.0,
        shared_ms: 0.0,
        version: 0,
    };
    simulation.seat_users();
    for arrival in open_arrivals(scenario) {
        simulation.run_until(arrival.at_ms);
        simulation.arrive(arrival, None);
    }
    simulation.run_until(f64::INFINITY);
    let Simulation { requests, now_ms, .. } = simulation;
    Run { requests, deadline_ms: scenario.plant.deadline_ms, until_ms: scenario.until_ms, ended_ms: now_ms }
}

impl<G: Gate> Simulation<'_, G> {
    fn plan(&mut self, at_ms: f64, kind: Kind) {
        self.planned += 1;
        self.events.push(Event { at_ms, number: self.planned, kind });
    }

    fn seat_users(&mut self) {
        for source in &self.scenario.sources {
            if let &Source::Users { count, think_ms, retry_ms } = source {
                for _ in 0..count {
                    let user = self.users.len();
                    let mut random = Random::new(self.scenario.seed, 1000 + user as u64);
                    let first_ms = random.uniform() * (think_ms + self.scenario.plant.service_ms);
                    self.users.push(User { random, think_ms, retry_ms });
                    self.plan(first_ms, Kind::Asks(user));
                }
            }
        }
    }

    /// Plays the events up to `until_ms`.
    fn run_until(&mut self, until_ms: f64) {
        while let Some(event) = self.events.peek().copied()
            && event.at_ms <= until_ms
        {
            self.events.pop();
            self.now_ms = event.at_ms;
            match event.kind {
                Kind::Served(id) => self.served(id),
                Kind::SharedServed { version } if version == self.version => {
                    self.share();
                    if let Some((_, id)) = self.shared.pop_first() {
                        self.answer(id);
                    }
                    self.plan_shared();
                }
                Kind::Leaves(id) => self.leave(id),
                Kind::Asks(user) if self.now_ms < self.scenario.until_ms => {
                    let random = &mut self.users[user].random;
                    let arrival = Arrival::draw(self.now_ms, &self.scenario.plant, &self.scenario.tiers, random);
                    self.arrive(arrival, Some(user));
                }
                Kind::SharedServed { .. } | Kind::Asks(_) => {}
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival, user: Option<usize>) {
        self.now_ms = arrival.at_ms;
        let id = self.requests.len();
        let permit = self.gate.ask(&arrival, self.start_ms + self.now_ms);
        let refused = Request { at_ms: arrival.at_ms, tier: arrival.tier, end: End::Refused, took_ms: 0.0 };
        self.requests.push(refused);
        if permit.is_none() {
            self.jobs.push(None);
            if let Some(user) = user {
                self.plan(self.now_ms + self.users[user].retry_ms, Kind::Asks(user));
            }
            return;
        }
        self.jobs.push(Some(Job { arrival, permit, user, is_running: false, is_cancelled: false, ends_at: 0 }));
        if let Some(Patience { after_ms, .. }) = self.scenario.plant.patience {
            self.plan(self.now_ms + after_ms, Kind::Leaves(id));
        }
        match self.scenario.plant.servers {
            Servers::Pool(_) => {
                self.queue.push_back(id);
                self.serve();
            }
            Servers::Free => self.begin(id),
            Servers::Contended { .. } => {
                self.share();
                let ends_at = (self.shared_work_ms + arrival.work_ms).to_bits();
                self.job(id).ends_at = ends_at;
                self.shared.insert((ends_at, id));
                self.plan_shared();
            }
        }
    }

    fn job(&mut self, id: usize) -> &mut Job {
        self.jobs[id].as_mut().expect("an admitted request")
    }

    /// Free servers take what waits.
    fn serve(&mut self) {
        let Servers::Pool(count) = self.scenario.plant.servers else { return };
        while self.busy < count
            && let Some(id) = self.queue.pop_front()
        {
            if !self.job(id).is_cancelled {
                self.busy += 1;
                self.begin(id);
            }
        }
    }

    fn begin(&mut self, id: usize) {
        let (speed, _) = self.scenario.plant.speed.at(self.now_ms);
        self.job(id).is_running = true;
        let work_ms = self.job(id).arrival.work_ms;
        self.plan(self.now_ms + work_ms / speed, Kind::Served(id));
    }

    fn served(&mut self, id: usize) {
        if !self.job(id).is_cancelled {
            self.busy = self.busy.saturating_sub(1);
            self.answer(id);
            self.serve();
        }
    }

    /// The shared servers have worked until now.
    fn share(&mut self) {
        let plant = &self.scenario.plant;
        if let Servers::Contended { peak, slope } = plant.servers {
            let n = self.shared.len() as f64;
            if n > 0.0 {
                let rate = if n <= peak { 1.0 } else { peak / n / (1.0 + slope * (n - peak) / peak) };
                self.shared_work_ms += rate * plant.speed.at(self.shared_ms).0 * (self.now_ms - self.shared_ms);
            }
            self.shared_ms = self.now_ms;
        }
    }

    /// Plans the end of the first of the shared services, at the rate of now.
    fn plan_shared(&mut self) {
        self.version += 1;
        let Servers::Contended { peak, slope } = self.scenario.plant.servers else { return };
        if let Some(&(ends_at, _)) = self.shared.first() {
            let n = self.shared.len() as f64;
            let rate = if n <= peak { 1.0 } else { peak / n / (1.0 + slope * (n - peak) / peak) };
            let left_ms = (f64::from_bits(ends_at) - self.shared_work_ms).max(0.0);
            let at_ms = self.now_ms + left_ms / (rate * self.scenario.plant.speed.at(self.now_ms).0);
            self.plan(at_ms, Kind::SharedServed { version: self.version });
        }
    }

    /// The plant has answered.
    fn answer(&mut self, id: usize) {
        let job = self.job(id);
        let fails = job.arrival.fails;
        if let Some(permit) = job.permit.take() {
            let outcome = if fails { Outcome::Failure } else { Outcome::Success };
            self.over(id, permit, outcome, End::Answered);
        }
    }

    /// A client leaves, unless it was answered.
    fn leave(&mut self, id: usize) {
        let Some(permit) = self.job(id).permit.take() else { return };
        self.over(id, permit, Outcome::Ignored, End::Abandoned);
        if self.scenario.plant.patience.is_some_and(|patience| patience.cancels) {
            let job = self.job(id);
            job.is_cancelled = true;
            let (was_running, ends_at) = (job.is_running, job.ends_at);
            match self.scenario.plant.servers {
                Servers::Contended { .. } => {
                    self.share();
                    self.shared.remove(&(ends_at, id));
                    self.plan_shared();
                }
                _ if was_running => {
                    self.busy = self.busy.saturating_sub(1);
                    self.serve();
                }
                _ => {}
            }
        }
    }

    fn over(&mut self, id: usize, permit: PermitId, outcome: Outcome, end: End) {
        self.gate.done(permit, outcome, self.start_ms + self.now_ms);
        let request = &mut self.requests[id];
        request.end = end;
        request.took_ms = self.now_ms - request.at_ms;
        if let Some(user) = self.job(id).user {
            self.plan(self.now_ms + self.users[user].think_ms, Kind::Asks(user));
        }
    }
}
