// The names that atrion 2.0's wasm module had, and what its laws came to.
import { calculateResistance, DEFAULT_CONFIG, DEFAULT_SLO, deriveWeights, updateScar } from 'atrion/core'
import * as wasm from 'atrion/wasm'
import test from 'ava'
import { near } from '../_core.mjs'

const weights = deriveWeights(DEFAULT_SLO)
const pressure = new wasm.PressureVector(0.5, 0.2, 0.3)

test('a pressure vector has its components, and can be freed', (t) => {
  t.deepEqual([pressure.latency, pressure.error, pressure.saturation], [0.5, 0.2, 0.3])
  const vector = wasm.createPressureVector(1, 2, 3)
  vector.latency = 0.25
  t.is(vector.latency, 0.25)
  t.notThrows(() => vector.free())
  near(t, wasm.PhysicsEngine.vectorMagnitude({ latency: 3, error: 4, saturation: 0 }), 5)
})

test('R and S are those of the functional model', (t) => {
  const engine = new wasm.PhysicsEngine()
  const r = engine.calculateResistance(pressure, 0.01, 7, 2)
  near(t, r, calculateResistance(pressure, 0.01, 7, weights, DEFAULT_CONFIG, 2))
  near(t, r, 10 + 0.5 * Math.log(6) + 0.2 * Math.log(9) + 0.3 * Math.log(4) + 20 * 0.01 + 7 + 2)
  const bad = new wasm.PressureVector(0.8, 0.6, 0.5)
  t.is(engine.updateScar(5, bad), 10, 'a trauma, and no decay')
  t.is(engine.updateScar(5, bad), updateScar(5, bad, DEFAULT_CONFIG, 0))
  t.is(engine.updateScar(5, new wasm.PressureVector(-1, -1, -1)), 5)
})

test('M is smoothed over ticks', (t) => {
  const engine = new wasm.PhysicsEngine()
  const calm = new wasm.PressureVector(0, 0, 0)
  near(t, engine.updateMomentum(10, calm, calm, 1000), 10 * Math.exp(-0.2))
  const worse = new wasm.PressureVector(0.3, 0.4, 0)
  near(t, engine.updateMomentum(0, calm, worse, 100), (0.5 / 100) * (1 - Math.exp(-0.02)))
  t.is(engine.updateMomentum(5, calm, worse, 0), 5)
})

test('an engine takes custom constants, in the module’s names or in ours', (t) => {
  const config = new wasm.PhysicsConfig()
  t.is(config.base_resistance, 10)
  config.base_resistance = 20
  config.scar_factor = 3
  const none = new wasm.SensitivityWeights(0, 0, 0)
  const engine = wasm.PhysicsEngine.withConfig(config, none)
  t.is(engine.calculateResistance(pressure, 0, 0, 0), 20)
  t.is(engine.updateScar(1, new wasm.PressureVector(1, 1, 1)), 4)
  const ours = wasm.PhysicsEngine.withConfig({ baseResistance: 20 }, { wLatency: 0, wError: 0, wSaturation: 0 })
  t.is(ours.calculateResistance(pressure, 0, 0, 0), 20)
})

test('the loader’s functions', async (t) => {
  t.true(wasm.isWasmAvailable())
  t.throws(() => wasm.getWasmEngine(), { message: /initWasm/ })
  const engine = await wasm.initWasm()
  t.is(wasm.getWasmEngine(), engine)
  t.is(await wasm.initWasm(), engine)
  t.is(
    wasm.calculateResistanceWasm(engine, { latency: 0.5, error: 0.2, saturation: 0.3 }, 0, 0, 0),
    engine.calculateResistance(pressure, 0, 0, 0),
  )
  t.deepEqual({ ...wasm.OperationalMode }, { Bootstrap: 0, Operational: 1, CircuitBreaker: 2 })
})
