// Time as you like it: a virtual clock for tests, and whole scenarios through the functional model.
import { Atrion, VirtualClock } from 'atrion'
import { runSimulation, Scenarios } from 'atrion/simulation'

// Plays the minutes after an incident in virtual time, to see how long a route is refused.
const clock = new VirtualClock()
const atrion = new Atrion({ clock, autoTuner: false })
const tick = (latencyMs, errorRate) => {
  clock.advance(100)
  return atrion.route('GET /orders', { latencyMs, errorRate })
}
for (let i = 0; i < 20; i += 1) tick(50, 0)
for (let i = 0; i < 50; i += 1) tick(3000, 0.5)
const endedAt = clock.now()
while (!tick(50, 0).allow);
console.log(`after 5 s of errors, refused for another ${((clock.now() - endedAt) / 1000).toFixed(1)} s`)

// The same as a scenario: shapes of telemetry, combined, and series to plot or to assert on.
const run = runSimulation({
  durationTicks: 200,
  scenario: Scenarios.compose(
    Scenarios.spike(21, 71, 3000, 50),
    Scenarios.spike(21, 71, 0.5),
    Scenarios.oscillating(40, 0.2, 0.4),
  ),
})
const series = run.getSeries('resistance').filter((_, i) => i % 5 === 0)
const highest = run.maxResistance()
const bars = series.map((ohms) => '▁▂▃▄▅▆▇█'[Math.round((ohms / highest) * 7)]).join('')
console.log(`R over 20 s: ${bars} highest ${highest.toFixed(0)} Ω, at the end ${run.finalResistance().toFixed(1)} Ω`)
