// Waiting in tests: for an event, never for a time.

/**
 * The longest time that a test waits for an event that may never come. It is no measure of speed: a busy machine has to be no reason to fail. ava ends a
 * run that makes no progress for longer.
 */
export const PATIENCE_MS = 240_000

// As they are now: a test may fake timers.
const { setImmediate: soon, setTimeout: later } = globalThis
const nowMs = performance.now.bind(performance)

/** Events of this process come within a few turns of its loop. What takes longer is looked for in pauses: the core is another test's meanwhile. */
const TURNS_MS = 10
const SHORTEST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 20

/** Resolves to the result of `holds()`, which may be a promise, once that is truthy; rejects after `PATIENCE_MS`, naming `what`. */
export const until = async (holds, what = String(holds)) => {
  const startedAtMs = nowMs()
  for (;;) {
    const result = await holds()
    if (result) return result
    const waitedMs = nowMs() - startedAtMs
    if (waitedMs > PATIENCE_MS) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
    const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, waitedMs / 50))
    await new Promise((resolve) => (waitedMs < TURNS_MS ? soon(resolve) : later(resolve, pauseMs)))
  }
}
