//! The window: a tick of the closed loop once enough was measured.

use super::{Limiter, capacity::Capacity};
use crate::{
    engine::permits::Permits,
    physics::{
        mode::Mode,
        params::RouteParams,
        peers::Blend,
        pressure::Sample,
        tick::{RouteState, Tick},
    },
    units::Millis,
};

/// The most windows that one with too few completions is extended to.
const LONGEST_WINDOW: f64 = 10.0;
/// The completions from which a window is evidence.
const WINDOW_SAMPLES: f64 = 10.0;

impl Limiter {
    /// Ends the window if it is long enough and has enough completions.
    #[inline]
    pub(super) fn tick_if_due(
        &mut self,
        state: &mut RouteState,
        peers: Option<&Blend>,
        capacity: &mut Capacity,
        permits: &mut Permits,
        params: &RouteParams,
        now_ms: Millis,
    ) -> Option<Tick> {
        let elapsed_ms = now_ms - self.window_started_ms;
        let due = elapsed_ms >= params.min_delta_t_ms
            && (self.count >= WINDOW_SAMPLES || elapsed_ms >= params.min_delta_t_ms * LONGEST_WINDOW);
        due.then(|| self.tick(state, peers, capacity, permits, params, now_ms))
    }

    /// Ends the window: reclaims lost permits and moves the state by what was measured.
    fn tick(
        &mut self,
        state: &mut RouteState,
        peers: Option<&Blend>,
        capacity: &mut Capacity,
        permits: &mut Permits,
        params: &RouteParams,
        now_ms: Millis,
    ) -> Tick {
        while let Some(permit) = permits.take_older(&mut self.list, now_ms - params.max_duration_ms) {
            capacity.limit.pass(capacity.load.under_way(), now_ms);
            self.leave(capacity, permit.mark);
            self.counts.reclaimed += 1;
            if self.completed_ms <= permit.admitted_ms {
                self.judge(false, permit.mark, state, peers, now_ms);
            }
        }
        let count = self.count;
        if self.offered > 0.0 {
            self.shed_share += (self.refused / self.offered - self.shed_share) * 0.5;
        }
        self.is_measured |= count >= WINDOW_SAMPLES;
        let mode = match self.breaker.is_open() {
            true => Mode::CircuitBreaker,
            false if self.is_measured => Mode::Operational,
            false => Mode::Bootstrap,
        };
        let n = capacity.load.under_way();
        let sample = Sample {
            latency_ms: if count > 0.0 { self.latency_sum_ms / count } else { f64::NAN },
            error_rate: if count > 0.0 { self.window_failures / count } else { f64::NAN },
            saturation: n / capacity.limit.thresholds(n, &params.limit).full,
        };
        let mut tick = state.tick_closed_loop(peers, params, &sample, mode, now_ms);
        tick.mode_before = std::mem::replace(&mut self.reported_mode, mode);
        (self.count, self.latency_sum_ms, self.refused) = (0.0, 0.0, 0.0);
        self.window_failures = 0.0;
        self.offered = 0.0;
        self.window_started_ms = now_ms;
        tick
    }
}
