// Observers see every tick, in order, off the decision path. Combine them as you need.
import { Atrion, createCollectorObserver, createCompositeObserver, createFilteredObserver } from 'atrion'

const everything = []
const changes = {
  onUpdate: ({ routeId, tickCount, modeTransition: { from, to } }) =>
    console.log(`${routeId}, tick ${tickCount}: ${from} → ${to}`),
}
const observer = createCompositeObserver(
  createCollectorObserver(everything),
  createFilteredObserver(changes, ({ modeTransition }) => modeTransition !== undefined),
)

const atrion = new Atrion({ observer, autoTuner: false })
for (let tick = 0; tick < 12; tick += 1) atrion.route('GET /orders', { latencyMs: 50 })
for (let tick = 0; tick < 25; tick += 1) atrion.route('GET /orders', { latencyMs: 2000, errorRate: 0.5 })
console.log(`37 decisions made, ${everything.length} events seen so far`)

await atrion.disconnect() // delivers what is still queued
const worst = Math.max(...everything.map(({ resistance }) => resistance))
console.log(`${everything.length} events seen, highest R=${worst.toFixed(1)}Ω`)
