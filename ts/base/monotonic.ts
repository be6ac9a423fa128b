/**
 * The clock that timers of this process and no fake follow, ms. In Node it is the machine's: all processes of it read the same.
 */
export const monotonic = monotonicOf((globalThis as { process?: Partial<NodeJS.Process> }).process?.hrtime)

// Node loads `performance` at its first use, which a start would wait for.
function monotonicOf(hrtime: (() => [number, number]) | undefined): () => number {
  if (typeof hrtime !== 'function') return performance.now.bind(performance)
  return () => {
    const [seconds, nanoseconds] = hrtime()
    return seconds * 1e3 + nanoseconds / 1e6
  }
}
