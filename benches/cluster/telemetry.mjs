/** Readings to try a route with, and the clock of the machine, which all processes share. */

export const CALM = { latencyMs: 50, errorRate: 0, saturation: 0.1 }
/** Warm enough that R is above its lowest value, so that whatever is added to it shows; no trauma. */
export const WARM = { latencyMs: 120, errorRate: 0.01, saturation: 0.6 }
export const BAD = { latencyMs: 5000, errorRate: 1, saturation: 1 }

/** Requests until a route has left BOOTSTRAP for sure. */
export const WARM_UP_TICKS = 30

/** Monotonic, ms, the same in all processes of one machine. */
export const machineMs = () => Number(process.hrtime.bigint()) / 1e6

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits, asking every few ms, for what no event tells. @throws Error when it does not come about */
export async function until(holds, what, patienceMs = 30_000) {
  const endsAt = machineMs() + patienceMs
  while (!(await holds())) {
    if (machineMs() > endsAt) throw new Error(`not within ${patienceMs} ms: ${what}`)
    await sleep(2)
  }
}
