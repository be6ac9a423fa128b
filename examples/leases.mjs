// Leases: work so long that the latency of a request says nothing about it. One that overruns is aborted, and scars the
// route. Time is virtual here, so that the example takes no time.
import { Atrion, VirtualClock } from 'atrion'

const clock = new VirtualClock()
const atrion = new Atrion({ clock })
const ROUTE = 'POST /exports'
const scar = () => `S=${(atrion.getState(ROUTE)?.scarTissue ?? 0).toFixed(2)}Ω`

const good = await atrion.startTask(ROUTE, { profile: 'HEAVY', abortController: new AbortController() })
clock.advance(4000)
good.heartbeat({ progress: 0.5, status: 'half of the rows' })
console.log(`${atrion.getActiveTaskCount(ROUTE)} task under way, ${good.remainingMs()} ms left`)
await good.release('completed')
console.log(`completed: ${scar()}`)

// Silent for three heartbeats of 5 s each: aborted.
const silent = new AbortController()
const lost = await atrion.startTask(ROUTE, { profile: 'HEAVY', abortController: silent })
clock.advance(15_000)
console.log(`silent: active ${lost.isActive}, aborted ${silent.signal.aborted}, ${scar()}`)

// Past its end: aborted, and a deeper scar.
const overdue = new AbortController()
const late = await atrion.startTask(ROUTE, { profile: 'STANDARD', timeout: 500, abortController: overdue })
clock.advance(500)
console.log(`overdue: active ${late.isActive}, aborted ${overdue.signal.aborted}, ${scar()}`)

try {
  late.heartbeat()
} catch (error) {
  console.log(`${error.name}: ${error.message.replace(late.id, 'the lease')}`)
}
