//! A handle's part in the stalls of an event loop: what the loop could not see is no evidence.

use super::{Handle, engine_ref::At, ids::PermitId};
use crate::units::Millis;

impl Handle {
    /// The loop was blocked in that time, ms: no route could complete anything, so no route was silent.
    pub fn blocked(&mut self, since_ms: Millis, until_ms: Millis) {
        self.engine_ref.each(|table| table.blocked(since_ms, until_ms));
    }

    /// Postpones the admission of a permit that is released at `now_ms` by what `excused_of` makes of the time of its admission, ms; by
    /// how much. An answer is postponed until it took as long as the route's service does: that it took less is not known. 0 where that
    /// service is not known, or the permit is void.
    ///
    /// ```
    /// use atrion::engine::{AcquireRequest, Handle, Limits, Outcome};
    ///
    /// let mut handle = Handle::alone(Limits::of_routes(10));
    /// let slot = handle.intern("db".into(), 0.0);
    /// let mut permit = None;
    /// handle.acquire(slot, AcquireRequest::default(), 0.0, 0.0, |result, _, _| permit = result.permit);
    /// let permit = permit.expect("without evidence of overload a request is admitted");
    /// // It waited for 500 ms of its 520 for the loop.
    /// assert_eq!(handle.postpone(permit, false, 520.0, |_| 500.0), 500.0);
    /// assert_eq!(handle.release(permit, Outcome::Failure, 520.0, |_, _, _, _| {}), Some(20.0));
    /// ```
    pub fn postpone(
        &mut self,
        id: PermitId,
        is_answer: bool,
        now_ms: Millis,
        excused_of: impl FnOnce(Millis) -> Millis,
    ) -> Millis {
        let At { mut table, .. } = self.engine_ref.at_permit(id);
        let Some(&permit) = table.permit(id) else { return 0.0 };
        let age_ms = (now_ms - permit.admitted_ms).max(0.0);
        let mut excused_ms = excused_of(permit.admitted_ms).clamp(0.0, age_ms);
        if excused_ms > 0.0 && is_answer {
            let service_ms = table.limited(permit.slot).map_or(0.0, |route| route.capacity.limit.baseline_ms());
            let spare_ms = if service_ms > 0.0 { (age_ms - service_ms).max(0.0) } else { 0.0 };
            excused_ms = excused_ms.min(spare_ms);
        }
        if excused_ms > 0.0 {
            table.postpone(id, excused_ms);
        }
        excused_ms
    }

    /// The time at which a permit was admitted, ms; None when it is void.
    #[must_use]
    pub fn admitted_ms(&self, id: PermitId) -> Option<Millis> {
        self.engine().lock_permit(id).permit(id).map(|permit| permit.admitted_ms)
    }
}
