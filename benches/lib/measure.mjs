/** Times a contestant: in blocks, or call by call. */
import { quantileOf } from './statistics.mjs'

const WARM_UP_MS = 400
/** Calls timed one by one in a turn. */
const SINGLES = 20_000

/** Runs `run(n)` with n grown until a block takes about as long as it should; resolves to that n. */
const calibrate = async (run, blockMs) => {
  let n = 64
  for (;;) {
    const startedAt = performance.now()
    await run(n)
    const tookMs = performance.now() - startedAt
    if (tookMs >= blockMs / 2) return Math.max(1, Math.round((n * blockMs) / tookMs))
    n *= 2
  }
}

/**
 * A function that measures one block of about `blockMs` and resolves to ns a call. `run(n)` makes n calls, in a loop of its own, so
 * that the loop and nothing else is measured with them.
 */
const inBlocks = async ({ run, callsPerRun = 1 }) => {
  const until = performance.now() + WARM_UP_MS
  let n = 1000
  while (performance.now() < until) await run(n)
  return async (blockMs) => {
    n = await calibrate(run, blockMs)
    const startedAt = process.hrtime.bigint()
    await run(n)
    const tookNs = Number(process.hrtime.bigint() - startedAt)
    return { ns: tookNs / (n * callsPerRun) }
  }
}

/**
 * A function that times {@link SINGLES} calls one by one and resolves to their quantiles in ns. Each is read from the clock before
 * and after, so the cost of one reading is in every number.
 */
const oneByOne = async ({ call }) => {
  const readings = new Float64Array(SINGLES)
  const turn = () => {
    for (let i = 0; i < SINGLES; i++) {
      const startedAt = performance.now()
      call(i)
      readings[i] = (performance.now() - startedAt) * 1e6
    }
    const sorted = readings.slice().sort()
    return { ns: quantileOf(sorted, 0.99), p50: quantileOf(sorted, 0.5), p999: quantileOf(sorted, 0.999) }
  }
  const until = performance.now() + WARM_UP_MS
  while (performance.now() < until) turn()
  return turn
}

/** The measurement of each kind of contestant. */
export const createBlocks = ({ kind = 'blocks' }, prepared) => (kind === 'singles' ? oneByOne : inBlocks)(prepared)
