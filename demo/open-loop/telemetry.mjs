// Telemetry of calls to a dependency, measured where they are made: the input of `route()`.

const SLICES = 10

/**
 * Latency (90th percentile), error rate and saturation over a sliding window.
 *
 * Calls that are still under way count with their age once it exceeds what was measured, so that a dependency that
 * stopped answering is noticed before the first timeout. A window without a single call says nothing; it is reported as
 * what is expected, so that the scar fades and a request is let through to find out.
 */
export class CallTelemetry {
  #slices = Array.from({ length: SLICES }, () => ({ index: -1, latencies: [], failures: 0 }))
  #startedAt = new Set()
  #sliceMs
  #poolSize
  #expectedMs
  #now

  constructor({ windowMs, poolSize, expectedMs, now = () => performance.now() }) {
    this.#sliceMs = windowMs / SLICES
    this.#poolSize = poolSize
    this.#expectedMs = expectedMs
    this.#now = now
  }

  get inFlight() {
    return this.#startedAt.size
  }

  /** Runs `call` and notes how long it took and whether it failed. */
  async measure(call) {
    const mark = { at: this.#now() }
    this.#startedAt.add(mark)
    let failed = 1
    try {
      const result = await call()
      failed = 0
      return result
    } finally {
      this.#startedAt.delete(mark)
      const now = this.#now()
      const slice = this.#sliceAt(now)
      slice.latencies.push(now - mark.at)
      slice.failures += failed
    }
  }

  /** The telemetry that `route()` takes. */
  read() {
    const now = this.#now()
    const oldest = Math.floor(now / this.#sliceMs) - SLICES
    const recent = this.#slices.filter(({ index }) => index > oldest)
    const latencies = recent.flatMap((slice) => slice.latencies).sort((a, b) => a - b)
    const failures = recent.reduce((sum, slice) => sum + slice.failures, 0)
    const saturation = this.#startedAt.size / this.#poolSize
    const measuredMs = latencies[Math.floor(latencies.length * 0.9)] ?? this.#expectedMs
    // Sets keep their order: the first is the oldest.
    const [eldest] = this.#startedAt
    const latencyMs = Math.max(measuredMs, eldest ? now - eldest.at : 0)
    return { latencyMs, errorRate: latencies.length > 0 ? failures / latencies.length : 0, saturation }
  }

  #sliceAt(now) {
    const index = Math.floor(now / this.#sliceMs)
    const slice = this.#slices[index % SLICES]
    if (slice.index !== index) {
      slice.index = index
      slice.latencies = []
      slice.failures = 0
    }
    return slice
  }
}
