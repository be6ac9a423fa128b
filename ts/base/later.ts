/** The runtime's own: an application's tests that fake timers later do not stop a queue. */
const { setImmediate: immediate, setTimeout: timeout } = globalThis

/** Calls back in a later turn of the event loop, when what is due has had its turn. */
export const later: (run: () => void) => void =
  typeof immediate === 'function' ? (run) => immediate(run) : (run) => timeout(run, 0)
