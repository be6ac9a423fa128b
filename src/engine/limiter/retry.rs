//! Retry-After: the delay after which a refused request should be retried.

use super::{Limiter, capacity::Capacity, witnesses};
use crate::{
    physics::{params::RouteParams, peers::Blend, retry::retry_after_ms, tick::RouteState},
    units::{Millis, Volts},
};

/// The factor by which Retry-After grows as the share of refused requests goes from 0 to 1.
const CROWD_PATIENCE: f64 = 9.0;

impl Limiter {
    /// The delay after which a refused request should be retried, ms: until enough work has drained for its voltage, the scar
    /// has healed, or the breaker, or that of its key's class, may be probed; longer, the larger the share of refused requests.
    #[allow(clippy::too_many_arguments, reason = "as for `acquire`")]
    pub(super) fn retry_after_ms(
        &mut self,
        state: &RouteState,
        peers: Option<&Blend>,
        capacity: &Capacity,
        params: &RouteParams,
        voltage: Volts,
        load: f64,
        open_class: Option<u8>,
        now_ms: Millis,
    ) -> Millis {
        let window_ms = params.min_delta_t_ms;
        let wait_ms = if self.breaker.is_open() {
            self.breaker.next_probe_ms(now_ms, window_ms, witnesses(peers))
        } else if let Some(breaker) = open_class.and_then(|class| self.classes.as_mut()?.breaker(class)) {
            breaker.next_probe_ms(now_ms, window_ms, 0)
        } else {
            let bearable =
                capacity.limit.thresholds(capacity.load.under_way(), &params.limit).bearable(voltage, state.resistance);
            let rate = capacity.limit.rate();
            let drain_ms = if rate > 0.0 { (load - bearable).max(0.0) / rate } else { 0.0 };
            let heal_ms = if voltage > state.resistance {
                0.0
            } else {
                retry_after_ms(state, state.blended_scar(peers), voltage, params).unwrap_or(0.0)
            };
            drain_ms.max(heal_ms)
        };
        wait_ms.max(window_ms) * (1.0 + CROWD_PATIENCE * self.shed_share)
    }
}
