//! The end of a request: what its outcome and its latency are evidence of.

use super::{Limiter, SILENT_DEADLINES, capacity::Capacity, request::Outcome};
use crate::{
    engine::{
        ids::PermitId,
        permits::{Mark, Permits, Taken},
    },
    physics::{
        breaker::Breaker,
        math::larger,
        params::RouteParams,
        peers::Blend,
        tick::{RouteState, Tick},
    },
    units::Millis,
};

/// The success ratio below which a route's outcomes are no evidence of its capacity.
const EVIDENT_SUCCESS: f64 = 0.3;
/// The age, as a share of the deadline or in service times, from which a request that is given up counts as unanswered.
const CUT_OFF_SHARE: f64 = 0.25;
const CUT_OFF_SERVICES: f64 = 4.0;
/// A request that is given up says how long clients wait where hardly an answer has taken longer, the 0.99 quantile of latencies,
/// and that the route does not answer where most have taken less, the median. Earlier, its client went away for a reason of its
/// own. Quantiles are exact to a quarter.
const WAITED_FOR: f64 = 0.8;

/// The requests that should have been answered, and the service times without a completion, from which a route counts as silent.
const SILENT_REQUESTS: f64 = 8.0;
const SILENT_SERVICES: f64 = 3.0;

impl Limiter {
    /// Releases a permit with its outcome; the tick that was due, if one was, and how long the permit was out, ms.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "as for `acquire`")]
    pub fn release(
        &mut self,
        id: PermitId,
        outcome: Outcome,
        state: &mut RouteState,
        peers: Option<&Blend>,
        capacity: &mut Capacity,
        permits: &mut Permits,
        params: &RouteParams,
        now_ms: Millis,
    ) -> Option<(Option<Tick>, Millis)> {
        let permit = permits.take(id, &mut self.list)?;
        capacity.limit.pass(capacity.load.under_way(), now_ms);
        self.leave(capacity, permit.mark);
        self.ended_ms = now_ms;
        self.counts.reclaimed += u64::from(outcome == Outcome::Reclaimed);
        let latency_ms = larger(now_ms - permit.admitted_ms, 0.0);
        if matches!(outcome, Outcome::Success | Outcome::Failure) {
            let succeeded = outcome == Outcome::Success;
            self.completed_ms = now_ms;
            self.overtaken_ms = larger(self.overtaken_ms, permit.admitted_ms);
            self.cut_off = 0;
            self.answered = true;
            self.count += 1.0;
            self.latency_sum_ms += latency_ms;
            self.latency.record(latency_ms);
            self.counts.durations.record(latency_ms);
            self.counts.failures += u64::from(!succeeded);
            // Outcomes of a route, or a class, that mostly fails are no evidence of its capacity.
            let is_evident = |breaker: &Breaker| breaker.success() > EVIDENT_SUCCESS && !breaker.is_open();
            let class = self.classes.as_mut().and_then(|classes| classes.breaker(permit.mark.class));
            if is_evident(&self.breaker) && class.is_none_or(|breaker| is_evident(breaker)) {
                let n = capacity.load.under_way();
                capacity.limit.complete(n, f64::from(permit.in_flight), latency_ms, succeeded, &params.limit);
            }
            self.judge(succeeded, permit.mark, state, peers, now_ms);
        } else if outcome != Outcome::Detached {
            self.cut_off(&permit, state, peers, capacity, params, now_ms);
        }
        Some((self.tick_if_due(state, peers, capacity, permits, params, now_ms), latency_ms))
    }

    /// Records the outcome of a detached request that was admitted `age_ms` ago. Its duration is no sample of the route's latency;
    /// its completion, its failure, or its end while nothing completed, is one of the route's health.
    pub fn conclude(
        &mut self,
        outcome: Outcome,
        age_ms: Millis,
        state: &mut RouteState,
        peers: Option<&Blend>,
        now_ms: Millis,
    ) {
        let is_answered = matches!(outcome, Outcome::Success | Outcome::Failure);
        let is_quiet = self.completed_ms <= now_ms - age_ms;
        if is_answered {
            self.completed_ms = now_ms;
            self.cut_off = 0;
            self.counts.failures += u64::from(outcome == Outcome::Failure);
        }
        if is_answered || is_quiet {
            self.judge(outcome == Outcome::Success, Mark::of_tier(0), state, peers, now_ms);
        }
    }

    /// Counts an outcome for the breaker of its class, and for the route's unless the class explains it.
    #[inline]
    pub(super) fn judge(
        &mut self,
        succeeded: bool,
        mark: Mark,
        state: &mut RouteState,
        peers: Option<&Blend>,
        now_ms: Millis,
    ) {
        let is_explained = self.classes.as_mut().is_some_and(|classes| classes.observe(mark.class, succeeded));
        if !is_explained {
            self.window_failures += f64::from(u8::from(!succeeded));
            let change = self.breaker.observe(succeeded, peers.map_or(0.0, |blend| blend.belief.into()));
            Self::apply(change, state, now_ms);
        }
    }

    /// Records a request that was given up unanswered: its service takes at least its age. One that is given up after its
    /// deadline, while nothing completed, counts as a failure of the route.
    fn cut_off(
        &mut self,
        permit: &Taken,
        state: &mut RouteState,
        peers: Option<&Blend>,
        capacity: &mut Capacity,
        params: &RouteParams,
        now_ms: Millis,
    ) {
        let age_ms = (now_ms - permit.admitted_ms).max(0.0);
        let deadline_ms = params.limit.deadline_ms;
        let [median_ms, most_ms] = self.usual_ms();
        if age_ms >= deadline_ms {
            self.latency.record(age_ms);
            capacity.limit.complete(
                capacity.load.under_way(),
                f64::from(permit.in_flight),
                age_ms,
                true,
                &params.limit,
            );
            if self.completed_ms <= permit.admitted_ms {
                self.judge(false, permit.mark, state, peers, now_ms);
            }
        } else {
            let waited = age_ms >= WAITED_FOR * most_ms;
            let met = f64::from(permit.in_flight);
            capacity.limit.give_up(capacity.load.under_way(), met, age_ms, waited, &params.limit);
        }
        if permit.admitted_ms <= self.overtaken_ms {
            return;
        }
        let services_ms = CUT_OFF_SERVICES * capacity.limit.baseline_ms();
        let is_old = age_ms >= CUT_OFF_SHARE * deadline_ms || services_ms > 0.0 && age_ms >= services_ms;
        if is_old && age_ms >= WAITED_FOR * median_ms {
            self.cut_off += 1;
        }
    }

    /// The median and the 0.99 quantile of latencies, ms; 0 before the first.
    #[inline(never)]
    fn usual_ms(&self) -> [Millis; 2] {
        self.latency.quantiles([0.5, 0.99]).unwrap_or_default()
    }

    /// Returns whether the route has completed nothing for so long, with requests in flight, that it counts as silent. Before its first
    /// completion the requests that were given up are the evidence: how long a service takes is not known. Later those in flight are, as
    /// far as each has taken longer than most answers do, and the oldest longer than hardly one does: the burst that arrives now says
    /// nothing. Nor does a request that one admitted after it has overtaken: it takes long by nature, and the route answers.
    #[cold]
    pub(super) fn is_silent(
        &self,
        capacity: &Capacity,
        permits: &Permits,
        params: &RouteParams,
        now_ms: Millis,
    ) -> bool {
        let due_ms = self.usual_ms().map(|ms| now_ms - ms / WAITED_FOR);
        let waiting = if self.answered { permits.count_due(self.list, self.overtaken_ms, due_ms) } else { 0 };
        let patience_ms =
            (SILENT_DEADLINES * params.limit.deadline_ms).max(SILENT_SERVICES * capacity.limit.baseline_ms());
        let asked = self.cut_off + waiting;
        // A run of requests without an answer is no silence before it is a long one, if many end so by nature.
        let missed = capacity.limit.expected_answers(asked, self.cut_off);
        missed >= SILENT_REQUESTS && now_ms - self.completed_ms > patience_ms
    }
}
