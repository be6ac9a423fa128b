// Time that a test sets, for adapters: they take the runtime's clock and timers when they are loaded, so this comes before them.

const { setTimeout: startTimer, setInterval: startInterval } = globalThis
const now = performance.now.bind(performance)

let skewMs = 0
const sweeps = new Set()

/** Timers that were started: `{ work, ms }`. */
export const timers = []

performance.now = () => now() + skewMs
globalThis.setInterval = (work, ms) => {
  if (ms === 1_000) sweeps.add(work)
  return startInterval(work, ms)
}
globalThis.setTimeout = (work, ms, ...rest) => {
  timers.push({ work, ms })
  return startTimer(work, ms, ...rest)
}

/** Time passes, and what adapters look through every second is looked through. */
export const pass = (ms) => {
  skewMs += ms
  for (const sweep of sweeps) sweep()
}
