//! The ceiling: what a scheduler answers in time that holds the queue itself and knows when a server is free.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::{Scenario, Servers, traffic::open_arrivals};

/// The best reachable results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Answers in time between the given moment and the end of the traffic.
    pub goodput: f64,
    /// Share of the top tier's requests from that moment on that are answered in time.
    pub top: f64,
}

/// A time that is not NaN, in order.
#[derive(Debug, PartialEq, PartialOrd)]
struct Time(f64);

impl Eq for Time {}

#[allow(clippy::derive_ord_xor_partial_ord, reason = "the same order, of times that are never NaN")]
impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A free server takes the youngest request of the highest tier, since the youngest has the most time left; what can no
/// longer make its deadline by half a service is dropped.
pub fn ceiling(scenario: &Scenario, from_ms: f64) -> Ceiling {
    let plant = &scenario.plant;
    let Servers::Pool(mut free) = plant.servers else { panic!("only of a pool") };
    let mut arrivals = open_arrivals(scenario).into_iter().peekable();
    let mut busy_until: BinaryHeap<Reverse<Time>> = BinaryHeap::new();
    let mut queues: [VecDeque<(f64, f64)>; 5] = Default::default();
    let (mut goodput, mut top, mut top_asked) = (0.0, 0.0, 0.0_f64);
    loop {
        let freed_ms = busy_until.peek().map_or(f64::INFINITY, |time| time.0.0);
        let next_ms = arrivals.peek().map_or(f64::INFINITY, |arrival| arrival.at_ms);
        let now_ms = freed_ms.min(next_ms);
        if now_ms == f64::INFINITY {
            return Ceiling { goodput, top: top / top_asked.max(1.0) };
        }
        if freed_ms <= next_ms {
            busy_until.pop();
            free += 1;
        } else if let Some(arrival) = arrivals.next() {
            queues[usize::from(arrival.tier)].push_back((arrival.at_ms, arrival.work_ms));
            top_asked += f64::from(u8::from(arrival.tier == 4 && arrival.at_ms >= from_ms));
        }
        for (tier, queue) in queues.iter_mut().enumerate().rev() {
            while free > 0
                && let Some((at_ms, work_ms)) = queue.pop_back()
            {
                if now_ms - at_ms + 0.5 * plant.service_ms > plant.deadline_ms {
                    queue.clear();
                    break;
                }
                let done_ms = now_ms + work_ms / plant.speed.at(now_ms).0;
                free -= 1;
                busy_until.push(Reverse(Time(done_ms)));
                if done_ms - at_ms <= plant.deadline_ms {
                    goodput += f64::from(u8::from(done_ms >= from_ms && done_ms <= scenario.until_ms));
                    top += f64::from(u8::from(tier == 4 && at_ms >= from_ms));
                }
            }
        }
    }
}
