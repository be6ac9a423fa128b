/** Measures how smoothly the demo's page runs: frames a second, and the cost of a frame. */

const WATCHED_MS = 5000

/** Frames so far, and the work of the last of them, in the form of an expression. */
const READING = '({ frames: demo.frames, workMs: Array.from(demo.workMs), atMs: performance.now() })'

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]

/**
 * Watches a page for five seconds, its own clock's.
 *
 * Frames a second are what the machine makes of it, a headless browser without a graphics card at that; the work of a frame is
 * the page's own, and must leave time for the rest: 60 frames a second are 16.7 ms each.
 */
export const watchFrames = async (page) => {
  const before = await page.evaluate(READING)
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS))
  const after = await page.evaluate(READING)
  const kept = after.workMs.length
  const count = Math.min(after.frames - before.frames, kept)
  const work = Array.from({ length: count }, (_, i) => after.workMs[(after.frames - 1 - i) % kept]).sort(
    (a, b) => a - b,
  )
  return {
    perSecond: ((after.frames - before.frames) * 1000) / (after.atMs - before.atMs),
    medianMs: quantile(work, 0.5),
    p99Ms: quantile(work, 0.99),
  }
}
