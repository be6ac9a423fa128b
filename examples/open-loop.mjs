// The open loop: you measure a route, `route()` makes one tick of its physics and decides on one request.
import { Atrion, VirtualClock } from 'atrion'

// A reading every 100 ms, without waiting for it.
const clock = new VirtualClock(0)
const atrion = new Atrion({ clock })
const ROUTE = 'GET /orders/:id'

/** Reports the same reading `ticks` times and prints the last decision. */
function report(what, telemetry, ticks, voltage) {
  let decision
  for (let tick = 0; tick < ticks; tick += 1) {
    clock.advance(100)
    decision = atrion.route(ROUTE, telemetry, { voltage })
  }
  const { allow, resistance, mode, reason } = decision
  console.log(`${what.padEnd(22)} ${allow ? 'flows  ' : 'refused'} R=${resistance.toFixed(1)}Ω ${mode}: ${reason}`)
}

// The first ten ticks only watch.
report('new', { latencyMs: 40 }, 1, 100)
report('calm', { latencyMs: 40, errorRate: 0, saturation: 0.2 }, 60, 100)

// Late, failing, full: pressure beyond critical leaves a scar, and R rises with every tick.
const bad = { latencyMs: 900, errorRate: 0.2, saturation: 0.9 }
report('bad, low priority', bad, 1, 15)
report('bad, high priority', bad, 1, 250)
report('bad for a while', bad, 20, 250)

// Good readings do not forgive at once: the scar fades with time, and `retryAfterMs` says how long that takes.
const { retryAfterMs } = atrion.route(ROUTE, { latencyMs: 40 }, { voltage: 250 })
console.log(`good again, scarred: come back in ${retryAfterMs} ms`)
