// Uses everything that might keep a process alive, releases nothing, and comes to the end of its script.
import { Atrion, VirtualClock } from 'atrion'
import { RecordingProvider } from './_provider.mjs'

const provider = new RecordingProvider()
const observer = { onUpdate() {} }
const logger = { debug() {}, info() {}, warn() {}, error() {} }
const atrion = new Atrion({ provider, observer, logger })
await atrion.connect()

const stuck = new RecordingProvider()
stuck.updateVector = () => new Promise(() => {})
const behindStuckStore = new Atrion({ provider: stuck })
await behindStuckStore.connect()
behindStuckStore.route('route', { latencyMs: 1 })

for (let i = 0; i < 10_000; i++) {
  const abortController = new AbortController()
  const profile = ['LIGHT', 'STANDARD'][i % 2]
  await atrion.startTask(`route ${i % 100}`, { profile, abortController, timeout: 3_600_000 - i })
}
const inVirtualTime = new Atrion({ clock: new VirtualClock() })
await inVirtualTime.startTask('route')

for (let i = 0; i < 1000; i++) atrion.route(`route ${i % 100}`, { latencyMs: 100 * (i % 7) })
atrion.on('transition', () => {})

console.log(JSON.stringify({ leases: atrion.getActiveTaskCount('route 0'), connected: atrion.isConnected }))
