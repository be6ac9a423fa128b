/** Scenarios in virtual time. */
import assert from 'node:assert/strict'
import { runSimulation, Scenarios, SimulationObserver } from 'atrion/simulation'

const scenario = Scenarios.compose(
  Scenarios.spike(20, 40, 0.9),
  Scenarios.ramp(10, 0.01, 0, 0.5),
  Scenarios.oscillating(20, 0.2, 0.1),
)
const observer: SimulationObserver = runSimulation({ durationTicks: 100, scenario, config: { scarFactor: 5 } })
const series: number[] = observer.getSeries('resistance')
assert.equal(series.length, 100)
assert.equal(Math.max(...series), observer.maxResistance())
assert.equal(observer.getHistory().length, 100)
assert.equal(new SimulationObserver().getHistory().length, 0)
for (const level of [Scenarios.silence(), Scenarios.sustained(0.5), Scenarios.recovery(5, 1, 0)]) {
  const pressure: number = level(0)
  assert.ok(Number.isFinite(pressure))
}
