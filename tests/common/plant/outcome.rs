//! The outcomes of the requests of a scenario.

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The gate refused it.
    Refused,
    /// It was answered.
    Answered,
    /// Its client left before the answer.
    Abandoned,
}

/// A request and its fate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// When it came, ms from the start.
    pub at_ms: f64,
    /// 0 (bulk) to 4 (critical).
    pub tier: u8,
    /// Its outcome.
    pub end: End,
    /// The time until then, ms.
    pub took_ms: f64,
}

/// A scenario as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Every request, in order of arrival.
    pub requests: Vec<Request>,
    /// An answer that takes longer is of no use, ms.
    pub deadline_ms: f64,
    /// When the traffic ended, ms from the start.
    pub until_ms: f64,
    /// When the last was over, ms from the start.
    pub ended_ms: f64,
}

impl Run {
    fn is_on_time(&self, request: &Request) -> bool {
        request.end == End::Answered && request.took_ms <= self.deadline_ms
    }

    /// Share of all requests that were answered in time.
    pub fn on_time(&self) -> f64 {
        let count = self.requests.iter().filter(|request| self.is_on_time(request)).count();
        count as f64 / self.requests.len().max(1) as f64
    }

    /// The number of requests refused that came from `from_ms` on.
    pub fn refused_from(&self, from_ms: f64) -> usize {
        self.requests.iter().filter(|request| request.at_ms >= from_ms && request.end == End::Refused).count()
    }

    /// Share of those that came from `from_ms` on that were refused.
    pub fn refused_share_from(&self, from_ms: f64) -> f64 {
        let asked = self.requests.iter().filter(|request| request.at_ms >= from_ms).count();
        self.refused_from(from_ms) as f64 / asked.max(1) as f64
    }

    /// The longest that one took, ms.
    pub fn longest_ms(&self) -> f64 {
        self.requests.iter().map(|request| request.took_ms).fold(0.0, f64::max)
    }

    /// Answers in time between `from_ms` and the end of the traffic.
    pub fn goodput(&self, from_ms: f64) -> f64 {
        let counts = |request: &&Request| {
            let done_ms = request.at_ms + request.took_ms;
            self.is_on_time(request) && done_ms >= from_ms && done_ms <= self.until_ms
        };
        self.requests.iter().filter(counts).count() as f64
    }

    /// Share of the top tier's requests from `from_ms` on that were answered in time.
    pub fn top(&self, from_ms: f64) -> f64 {
        let top = || self.requests.iter().filter(|request| request.tier == 4 && request.at_ms >= from_ms);
        top().filter(|request| self.is_on_time(request)).count() as f64 / top().count().max(1) as f64
    }
}
