//! The queue in front of the process: requests that the event loop has not come to yet.
//!
//! A request that waited A in it and takes s is on time iff A + s ≤ D, whatever stands behind it, and it delays everything behind
//! it by s. So up to the latest age that leaves room for a turn of the loop every tier is on time, and a request is refused
//! below that age only as far as room is kept for the tiers above its own:
//!
//! ```text
//! A* = 0.9·D − 1.25·J            J = E[g²]/E[g] over the turns g that admitted requests took: the turn that one who comes at
//!                                random finds under way
//! x  = shape((A − foot)/(A* − foot))       place on the bands of the tiers (see `voltage`), the highest ending at A*
//! foot = 0.7·A*                            until the queue stands
//!      = max(0.15·D, 8·J) … 0.9·A*         then: the latter as far as the floor demands
//! ```
//!
//! **Harmless.** Little room is kept until the queue stands, and then nothing younger than 0.15·D is refused. It stands when it is met
//! by requests that *came* more than min(200 ms, D/2) after it was last empty, or wait for 0.7·A* already. What came in one burst
//! came while it was empty, however late it is handled; and a pause of the process (a collection of garbage, one long handler)
//! counts as empty to its end, and for as long again.
//!
//! **Sufficient.** A is known when the handler starts, so the loop has no delay: dA/dt = λ·a(A)/μ − 1, first order, and the age
//! stays where the marginal tier's band is. An age of any height keeps the loop equally busy.
//!
//! **The floor.** Refusing takes r of the loop. N clients that ask again at once make the age themselves, A = N·(a·s + (1 − a)·r),
//! also where nearly all are refused, and the share of the loop's time that is work is 1 − N·(1 − a)·r/A: a law that refuses at
//! a small age fills the loop with refusals, and nothing is served. Age is what buys work. Where less than 0.55 of the time is
//! work, room is kept for the higher tiers no longer than that: the foot rises, at 0.4 to 0.9·A*. Work then has 1 − N·r/(0.9·A*)
//! of the loop or more, which is what any law can have whose answers are on time: at least 0.4 for as long as refusing every
//! client once takes no more than 0.54·A*.

use crate::units::Millis;

/// Younger than this share of the deadline, and than this, ms, there is no queue.
const EMPTY_SHARE: f64 = 0.05;
const EMPTY_MS: Millis = 25.0;
/// A queue that is met so long after it was empty stands, ms …
const STANDING_MS: Millis = 200.0;
/// … or after this share of the deadline.
const STANDING_SHARE: f64 = 0.5;
/// Silence after which nothing is known of the queue, ms.
const FORGET_MS: Millis = 1_000.0;
/// The process stood still if a turn took this long, ms, and this many times the usual.
const PAUSE_MS: Millis = 20.0;
const PAUSE_TURNS: f64 = 4.0;
/// J while nothing is known, ms.
const FIRST_TURN_MS: Millis = 1.0;
/// A turn is taken to last so long at least, ms.
const LEAST_TURN_MS: Millis = 0.01;
/// The weight of a turn in the usual delay, and in the loop's present work.
const TURN_GAIN: f64 = 0.02;
const LOOP_GAIN: f64 = 0.005;
/// A* in terms of D and J, and its least, as a share of D.
const LATEST_SHARE: f64 = 0.9;
const LATEST_TURNS: f64 = 1.25;
const LATEST_FLOOR: f64 = 0.15;
/// The point at which the lowest tier is refused while the queue stands, as a share of D; before, and by the floor, as a share of A*.
const FOOT: f64 = 0.15;
/// … and turns of this number, which chance alone queues up.
const FOOT_TURNS: f64 = 8.0;
const FOOT_BURST: f64 = 0.7;
const FOOT_LIFTED: f64 = 0.9;
/// Shares of the loop's time that is work where the floor is in force, and where it is not.
const WORK_FLOOR: f64 = 0.4;
const WORK_ENOUGH: f64 = 0.55;

/// The time at which the queue was last seen empty, and the loop's use of its time.
///
/// ```
/// use atrion::physics::queue::Queue;
///
/// let mut queue = Queue::default();
/// assert_eq!(queue.place(0.5, 500.0, 1000.0), 0.0, "a young request has no place in a queue");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    empty_ms: Millis,
    seen_ms: Millis,
    /// The last request was refused.
    refused: bool,
    turn_ms: Millis,
    turn_squared: f64,
    /// Mean time between requests, and how much of it went into refusals.
    between_ms: Millis,
    refusing_ms: Millis,
}

image! { Queue { empty_ms, seen_ms, refused, turn_ms, turn_squared, between_ms, refusing_ms } }

impl Default for Queue {
    fn default() -> Self {
        Self {
            empty_ms: f64::NEG_INFINITY,
            seen_ms: f64::NEG_INFINITY,
            refused: false,
            turn_ms: FIRST_TURN_MS,
            turn_squared: FIRST_TURN_MS * FIRST_TURN_MS,
            between_ms: FIRST_TURN_MS,
            refusing_ms: 0.0,
        }
    }
}

impl Queue {
    /// x for a request that waited for `age_ms`; 0 or less means that nothing stands in its way. An age of exactly 0 is one that
    /// was not measured: work that the process asks of others comes in between, and does not make the queue empty.
    #[inline]
    pub fn place(&mut self, age_ms: Millis, deadline_ms: Millis, now_ms: Millis) -> f64 {
        let gap_ms = now_ms - self.seen_ms;
        // A request that has waited throughout proves that it was no silence.
        if gap_ms > FORGET_MS && age_ms < gap_ms {
            *self = Self { empty_ms: now_ms, seen_ms: now_ms, refused: false, ..*self };
            return 0.0;
        }
        if age_ms <= 0.0 {
            return 0.0;
        }
        self.seen_ms = now_ms;
        let standing_ms = STANDING_MS.min(STANDING_SHARE * deadline_ms);
        let pause = gap_ms > PAUSE_MS && gap_ms > PAUSE_TURNS * self.turn();
        if pause && now_ms - gap_ms - self.empty_ms < standing_ms {
            // The requests that came meanwhile take as long again to serve, or longer.
            self.empty_ms = now_ms + gap_ms;
        }
        if age_ms >= gap_ms {
            self.learn(gap_ms);
        }
        self.refused = false;
        if age_ms < (EMPTY_SHARE * deadline_ms).min(EMPTY_MS) {
            self.empty_ms = now_ms;
        }
        let turn = self.turn();
        let latest_ms = (LATEST_SHARE * deadline_ms - LATEST_TURNS * turn).max(LATEST_FLOOR * deadline_ms);
        let since_ms = now_ms - age_ms - self.empty_ms;
        if since_ms > 0.0 && age_ms > FOOT_BURST * latest_ms {
            self.empty_ms = f64::NEG_INFINITY;
        }
        let stands = since_ms >= standing_ms || self.empty_ms == f64::NEG_INFINITY;
        let (lowest, lift) = if stands { (FOOT_LIFTED, self.lift()) } else { (FOOT_BURST, 1.0) };
        let lifted_ms = lowest * latest_ms;
        let foot_ms = between((FOOT * deadline_ms).max(FOOT_TURNS * turn).min(FOOT_BURST * latest_ms), lifted_ms, lift);
        shape((age_ms - foot_ms) / (latest_ms - foot_ms))
    }

    /// Takes up the outcome of the request that asked last: the loop's time until the next one went into it.
    #[inline]
    pub fn answered(&mut self, admitted: bool) {
        self.refused = !admitted;
    }

    /// J, ms.
    fn turn(&self) -> Millis {
        self.turn_squared / self.turn_ms
    }

    /// The degree to which the floor is in force, [0, 1].
    fn lift(&self) -> f64 {
        let work = 1.0 - self.refusing_ms / self.between_ms;
        ((WORK_ENOUGH - work) / (WORK_ENOUGH - WORK_FLOOR)).clamp(0.0, 1.0)
    }

    /// The loop took `gap_ms` over the last request.
    fn learn(&mut self, gap_ms: Millis) {
        let refusing_ms = if self.refused { gap_ms } else { 0.0 };
        self.between_ms += (gap_ms - self.between_ms) * LOOP_GAIN;
        self.refusing_ms += (refusing_ms - self.refusing_ms) * LOOP_GAIN;
        if self.refused {
            return;
        }
        // One that is out of all proportion is a pause, and teaches only little; where all are, it is soon the proportion.
        let taken_ms = gap_ms.min(PAUSE_TURNS * self.turn()).max(LEAST_TURN_MS);
        self.turn_ms += (taken_ms - self.turn_ms) * TURN_GAIN;
        self.turn_squared += (taken_ms * taken_ms - self.turn_squared) * TURN_GAIN;
    }
}

fn between(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

/// From the way between foot and A* to the place on the bands: steep for the lower tiers, because one server is busy with any
/// queue at all, and flat for the highest, which a single long turn must not reach. The lowest of three lines.
fn shape(way: f64) -> f64 {
    (way * 6.0).min(0.83 + way).min(0.96 + 0.64 * way)
}
