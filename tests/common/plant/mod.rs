//! Plants in virtual time: servers behind one route, the traffic that meets them, and a gate that admits or refuses.
//!
//! A discrete-event simulation without threads or clocks: the same scenario gives the same events to the last bit, and
//! two gates see the same requests with the same work.
//!
//! | file | what is in it |
//! |---|---|
//! | `random` | random numbers, shapes of services |
//! | `traffic` | sources of requests |
//! | `run` | the simulation |
//! | `outcome` | what became of the requests |
//! | `gate` | what admits: everything, or a route of the engine |
//! | `ceiling` | the most that a scheduler that knows the servers could answer in time |
//! | `draws` | random plants and traffic, and how the tests judge many of them |
#![allow(dead_code, unused_imports, reason = "each test binary takes what it needs")]

pub mod ceiling;
pub mod draws;
pub mod gate;
pub mod outcome;
pub mod random;
pub mod run;
pub mod traffic;

pub use gate::Gate;
pub use random::{Random, SHAPES, Shape};
pub use run::play;
pub use traffic::{Source, Steps};

/// The ways in which work is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Servers {
    /// So many servers behind one queue, first come first served.
    Pool(usize),
    /// Everything at once: latency does not depend on work in flight.
    Free,
    /// Shared equally by all in flight. Throughput is that of `peak` servers with as many in flight, and falls beyond:
    /// 1/(1 + slope·(n − peak)/peak) of it.
    Contended {
        /// Work in flight at which throughput is largest.
        peak: f64,
        /// The steepness of its fall.
        slope: f64,
    },
}

/// The reactions of clients that have waited too long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// When they leave, ms.
    pub after_ms: f64,
    /// Does their work end with them?
    pub cancels: bool,
}

/// A dependency and those who wait for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plant {
    /// Its servers.
    pub servers: Servers,
    /// The variation of its services.
    pub shape: Shape,
    /// Mean service time at speed 1, ms.
    pub service_ms: f64,
    /// Its speed by time; a service keeps the speed it began with.
    pub speed: Steps,
    /// Share of its answers that are failures, by the time at which they were asked for.
    pub failing: Steps,
    /// An answer that takes longer is of no use, ms.
    pub deadline_ms: f64,
    /// None: every client waits for its answer.
    pub patience: Option<Patience>,
}

impl Plant {
    /// A plant of constant speed, without failures, whose clients wait.
    pub fn new(servers: Servers, shape: Shape, service_ms: f64, deadline_ms: f64) -> Self {
        let speed = Steps::constant(1.0);
        Self { servers, shape, service_ms, speed, failing: Steps::constant(0.0), deadline_ms, patience: None }
    }

    /// Its parameters, for messages.
    pub fn name(&self) -> String {
        let Self { servers, shape, service_ms, deadline_ms, .. } = self;
        let servers = match servers {
            Servers::Contended { peak, slope } => format!("Contended({peak:.0}, {slope:.2})"),
            _ => format!("{servers:?}"),
        };
        format!("{servers} {shape:?} s {service_ms:.4} ms D/s {:.2}", deadline_ms / service_ms)
    }

    /// Services a ms with every server at work; of a free dependency, with one request in flight.
    pub fn capacity_per_ms(&self) -> f64 {
        let servers = match self.servers {
            Servers::Pool(count) => count as f64,
            Servers::Free => 1.0,
            Servers::Contended { peak, .. } => peak,
        };
        servers / self.service_ms
    }
}

/// A plant and its traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The server.
    pub plant: Plant,
    /// The sources of requests.
    pub sources: Vec<Source>,
    /// Shares of the tiers, lowest first.
    pub tiers: [f64; 5],
    /// Nothing asks from then on, ms.
    pub until_ms: f64,
    /// Of its random numbers.
    pub seed: u64,
}
