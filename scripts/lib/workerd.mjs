/** Measures the time from instantiating Atrion to a first decision in an isolate that never ran it. */

/** Fresh processes; half of them may be disturbed by something else. */
const PROCESSES = 7
/** Requests that do nothing, until what a request costs is known. */
const IDLE_REQUESTS = 15

const medianOf = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

/**
 * The median of several processes of workerd, each with one isolate and one first decision.
 *
 * Time stands still inside a request, so it is measured from outside: what the request with the decision takes longer than the
 * same request without one.
 *
 * @param createWorker starts a process of its own
 */
export const measureColdStart = async (createWorker) => {
  const readings = []
  for (let process = 0; process < PROCESSES; process++) {
    const worker = createWorker()
    const timed = async (count) => {
      const startedAt = performance.now()
      await (await worker.dispatchFetch(`http://edge.test/cold?count=${count}`)).text()
      return performance.now() - startedAt
    }
    try {
      await timed(0)
      const idle = []
      for (let i = 0; i < IDLE_REQUESTS; i++) idle.push(await timed(0))
      readings.push((await timed(1)) - medianOf(idle))
    } finally {
      await worker.dispose()
    }
  }
  return { coldStartMs: medianOf(readings), worstColdStartMs: Math.max(...readings) }
}
