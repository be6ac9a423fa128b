//! Ends without an answer: a client that hung up, or a result that the host calls no evidence.
//!
//! Such an end may have freed a server, as a completion does, or have left its work behind. It frees one where requests end so by
//! nature, and leaves work behind where they end so because they wait. The first kind does not depend on work in flight,
//! the second grows with it:
//!
//! ```text
//! g₀, g₁    ends without an answer for each answer: of requests that met a server which idled, before there was overload, and
//!           of all others
//! w         the share of ends of the second kind that count as completions: min(1, g₀/g₁)
//! ```
//!
//! Without that share, requests that end so by nature look like a loss of capacity, and a calm route is refused for it; if all
//! counted, a queue that clients leave would look like one that is served.

/// Ends with which g₀ begins, whatever they met: a route that is new has not been overloaded yet.
const FIRST: f32 = 16.0;
/// Ends that are remembered of each kind.
const MEMORY: [f32; 2] = [512.0, 256.0];

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Ends {
    answered: f32,
    unanswered: f32,
}

image! { Ends { answered, unanswered } }

impl Ends {
    fn count(self) -> f32 {
        self.answered + self.unanswered
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Unanswered {
    /// Of requests that met no crowd, and of the others.
    ends: [Ends; 2],
    /// The part of a completion that ends without an answer have made up.
    part: f32,
}

image! { Unanswered { ends, part } }

impl Unanswered {
    /// A request ended; `spared`: it met a server that idled, without overload.
    fn end(&mut self, answered: bool, spared: bool) -> usize {
        let kind = usize::from(!spared && self.ends[0].count() >= FIRST);
        let ends = &mut self.ends[kind];
        *(if answered { &mut ends.answered } else { &mut ends.unanswered }) += 1.0;
        if ends.count() > MEMORY[kind] {
            ends.answered *= 0.5;
            ends.unanswered *= 0.5;
        }
        kind
    }

    /// The share of requests that a calm route answers, the last `unanswered` ends not counted; 1 before it is known.
    pub fn answered_share(&self, unanswered: u32) -> f32 {
        let Ends { answered, unanswered: all } = self.ends[0];
        let others = (all - unanswered as f32).max(0.0);
        if answered > 0.0 { answered / (answered + others) } else { 1.0 }
    }

    /// A request was answered.
    pub fn answer(&mut self, spared: bool) {
        self.end(true, spared);
    }

    /// A request ended without an answer: w, 0 to 1.
    pub fn give_up(&mut self, spared: bool) -> f32 {
        let kind = self.end(false, spared);
        let [calm, crowd] = self.ends;
        // A calm route that never answered says nothing of its nature; half an answer is less than any.
        let share = if kind == 0 {
            1.0
        } else {
            calm.unanswered * crowd.answered / (calm.answered.max(0.5) * crowd.unanswered)
        };
        share.min(1.0)
    }

    /// Adds a share of a completion; have they made up a whole one?
    pub fn completes(&mut self, share: f32) -> bool {
        self.part += share;
        let is_whole = self.part >= 1.0;
        self.part -= f32::from(u8::from(is_whole));
        is_whole
    }
}
