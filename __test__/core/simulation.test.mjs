import { createRequire } from 'node:module'
import { AutoTuner, ConfigError } from 'atrion'
import { runSimulation, Scenarios, SimulationObserver } from 'atrion/simulation'
import test from 'ava'
import { configOf, operational } from '../_core.mjs'

const slo = {
  baselineLatencyMs: 50,
  maxAcceptableLatencyMs: 200,
  targetErrorRate: 0.01,
  criticality: { latency: 5, error: 10, saturation: 5 },
}
const config = configOf({ bootstrapTicks: 5, criticalPressure: 0.4 })
const healthy = Scenarios.compose(Scenarios.sustained(50), Scenarios.sustained(0), Scenarios.sustained(0))

const simulate = (overrides = {}) =>
  runSimulation({ durationTicks: 60, scenario: healthy, slo, ...overrides, config: { ...config, ...overrides.config } })

const modesOf = (observer) => observer.getHistory().map(({ meta }) => meta.mode)
const seriesOf = (generator, ticks) => Array.from({ length: ticks }, (_, i) => generator(i + 1))

// scenarios

test('silence and sustained are constant, and not negative', (t) => {
  t.deepEqual(seriesOf(Scenarios.silence(), 2), [0, 0])
  t.deepEqual(seriesOf(Scenarios.silence(3), 2), [3, 3])
  t.deepEqual(seriesOf(Scenarios.sustained(50), 2), [50, 50])
  t.is(Scenarios.sustained(-1)(1), 0)
})

test('a spike includes its start and excludes its end', (t) => {
  t.deepEqual(seriesOf(Scenarios.spike(2, 4, 9, 1), 5), [1, 9, 9, 1, 1])
  t.deepEqual(seriesOf(Scenarios.spike(2, 3, 9), 3), [0, 9, 0])
})

test('an oscillation has its period and its floor', (t) => {
  const wave = seriesOf(Scenarios.oscillating(4, 2, 1), 8).map((x) => Number(x.toFixed(9)))
  t.deepEqual(wave, [3, 1, 0, 1, 3, 1, 0, 1])
})

test('a ramp starts, rises and is capped', (t) => {
  t.deepEqual(seriesOf(Scenarios.ramp(2, 10, 5, 30), 6), [5, 5, 15, 25, 30, 30])
  t.is(Scenarios.ramp(0, 1)(1e9), 100)
})

test('a recovery drops once', (t) => {
  t.deepEqual(seriesOf(Scenarios.recovery(3, 9, 1), 4), [9, 9, 1, 1])
})

test('compose makes one sample of three generators', (t) => {
  const scenario = Scenarios.compose((tick) => tick, Scenarios.sustained(0.5), Scenarios.silence())
  t.deepEqual(scenario(7), { latency: 7, error: 0.5, saturation: 0 })
})

// the record

test('the record gives back inputs and outputs as series', (t) => {
  const observer = new SimulationObserver()
  t.is(observer.maxResistance(), 0)
  t.is(observer.finalResistance(), 0)
  const input = { latency: 80, error: 0.1, saturation: 0.2 }
  observer.record(1, operational({ resistance: 40, scarTissue: 7, momentum: 0.5 }), input)
  observer.record(2, { ...operational({ resistance: 12 }), mode: 'BOOTSTRAP', momentum: undefined }, input)
  t.deepEqual(observer.getHistory()[0], {
    tick: 1,
    input,
    output: { resistance: 40, momentum: 0.5, scar: 7 },
    meta: { mode: 'OPERATIONAL' },
  })
  t.deepEqual(observer.getSeries('resistance'), [40, 12])
  t.deepEqual(observer.getSeries('momentum'), [0.5, 0])
  t.deepEqual(observer.getSeries('scar'), [7, 0])
  t.deepEqual(observer.getSeries('latency'), [80, 80])
  t.deepEqual(observer.getSeries('error'), [0.1, 0.1])
  t.deepEqual(observer.getSeries('saturation'), [0.2, 0.2])
  t.is(observer.maxResistance(), 40)
  t.is(observer.finalResistance(), 12)
  observer.reset()
  t.deepEqual(observer.getHistory(), [])
})

// the run

test('a run records each tick, one sampling window apart', (t) => {
  const history = simulate({ durationTicks: 10 }).getHistory()
  t.deepEqual(
    history.map(({ tick }) => tick),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  t.deepEqual(modesOf(simulate({ durationTicks: 6 })), [...Array(4).fill('BOOTSTRAP'), 'OPERATIONAL', 'OPERATIONAL'])
})

test('the defaults will do', (t) => {
  const observer = runSimulation({ durationTicks: 20, scenario: () => ({ latency: 100, error: 0, saturation: 0.5 }) })
  t.is(observer.getHistory().length, 20)
  t.is(observer.finalResistance(), 10)
})

test('the same run twice is the same record', (t) => {
  const scenario = Scenarios.compose(
    Scenarios.oscillating(7, 200, 100),
    Scenarios.spike(20, 30, 0.8),
    Scenarios.ramp(5, 0.02, 0, 1),
  )
  t.deepEqual(simulate({ scenario }).getHistory(), simulate({ scenario }).getHistory())
})

test('a run without an end is refused', (t) => {
  for (const durationTicks of [Number.POSITIVE_INFINITY, Number.NaN, -1, undefined]) {
    t.throws(() => simulate({ durationTicks }), { instanceOf: ConfigError, message: /durationTicks/ })
  }
  t.is(simulate({ durationTicks: 0 }).getHistory().length, 0)
})

// what the model is for

test('a healthy route stays near its base', (t) => {
  for (const resistance of simulate().getSeries('resistance').slice(5)) t.true(resistance >= 10 && resistance < 11)
})

test('a spike: resistance rises with it, and outlives it', (t) => {
  const scenario = Scenarios.compose(Scenarios.sustained(50), Scenarios.spike(20, 30, 0.8), Scenarios.sustained(0))
  const observer = simulate({ scenario, config: { decayRate: 1 } })
  const resistance = observer.getSeries('resistance')
  const momentum = observer.getSeries('momentum')
  t.true(resistance[24] > resistance[18])
  t.true(resistance[30] > resistance[18], 'the scar is left when the spike is over')
  t.true(observer.finalResistance() < resistance[30])
  const peak = resistance.indexOf(observer.maxResistance()) + 1
  t.true(peak >= 20 && peak <= 31, `peak at tick ${peak}`)
  t.deepEqual(
    momentum.flatMap((m, i) => (m > 1e-3 ? [i + 1] : [])),
    [20, 30],
    'momentum marks both edges of the spike',
  )
})

test('one impulse heals with the half-life ln 2/λ', (t) => {
  const scenario = Scenarios.compose(Scenarios.silence(), Scenarios.spike(2, 3, 1), Scenarios.silence())
  const law = { decayRate: 2, scarFactor: 5, dampingFactor: 0, criticalPressure: 0.5, bootstrapTicks: 1 }
  const scar = simulate({ durationTicks: 25, scenario, config: law }).getSeries('scar')
  t.is(scar[1], 5)
  const ticksToHalf = scar.slice(1).findIndex((s) => s <= 2.5)
  t.is(ticksToHalf, Math.ceil(Math.LN2 / 0.2))
  t.true(scar.at(-1) < 0.1)
})

test('the breaker opens under sustained stress, stays open, and closes by itself when the stress ends', (t) => {
  const law = { decayRate: 0.5, scarFactor: 10, criticalPressure: 0.3, breakMultiplier: 5, bootstrapTicks: 3 }
  const stress = (until) =>
    Scenarios.compose(
      Scenarios.recovery(until, 500, 50),
      Scenarios.recovery(until, 0.9, 0),
      Scenarios.recovery(until, 0.9, 0),
    )
  const sustained = modesOf(simulate({ scenario: stress(1000), config: law }))
  const opened = sustained.indexOf('CIRCUIT_BREAKER')
  t.true(opened > 0)
  t.true(sustained.slice(opened).every((mode) => mode === 'CIRCUIT_BREAKER'))

  const observer = simulate({ durationTicks: 100, scenario: stress(15), config: law })
  t.true(modesOf(observer).includes('CIRCUIT_BREAKER'))
  t.is(modesOf(observer).at(-1), 'OPERATIONAL')
  t.true(observer.finalResistance() < 25)
})

test('a route at the edge of failure does not flap', (t) => {
  // Errors swing around a threshold; a classic breaker with a cooldown of 3 ticks opens and closes all the time.
  const errors = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 0.4 : 0.6))
  let cooldown = 0
  const classic = errors.map((error) => {
    if (cooldown > 0) cooldown -= 1
    else if (error > 0.5) cooldown = 3
    return cooldown > 0
  })
  const changes = (states) => states.filter((state, i) => i > 0 && state !== states[i - 1]).length
  const scenario = (tick) => ({ latency: 50, error: errors[tick - 1], saturation: 0 })
  const law = { criticalPressure: 0.5, breakMultiplier: 5 }
  const atrion = modesOf(simulate({ durationTicks: 200, scenario, config: law })).slice(5)
  t.true(changes(classic) > 40)
  t.is(changes(atrion), 1)
})

test('traffic that follows the least resistance leaves a failing route, and returns', (t) => {
  const failing = Scenarios.compose(Scenarios.silence(), Scenarios.spike(10, 30, 0.9), Scenarios.silence())
  const law = { decayRate: 2, breakMultiplier: 100, bootstrapTicks: 1 }
  const options = { durationTicks: 60, config: law }
  const primary = simulate({ ...options, scenario: failing }).getSeries('resistance')
  const secondary = simulate({ ...options, config: { ...law, baseResistance: 25 } }).getSeries('resistance')
  t.true(primary[5] < secondary[5])
  t.true(primary[20] > secondary[20])
  t.true(primary[59] < secondary[59])
})

test('a tuner sets the break point of a run', (t) => {
  const scenario = Scenarios.compose(Scenarios.sustained(50), Scenarios.spike(100, 200, 0.9), Scenarios.silence())
  const brokeAt = (tuner) =>
    modesOf(simulate({ durationTicks: 200, scenario, tuner, config: { breakMultiplier: 40 } })).indexOf(
      'CIRCUIT_BREAKER',
    )
  const tuner = new AutoTuner()
  const tuned = brokeAt(tuner)
  t.true(tuned >= 99, 'not before the spike')
  t.is(brokeAt(undefined), -1, 'the static break point is too high for this spike')
  t.true(tuner.getStats().isWarmedUp)
})

test('atrion/simulation holds these', (t) => {
  const require = createRequire(import.meta.url)
  t.deepEqual(Object.keys(require('atrion/simulation')).sort(), [
    ...['DEFAULT_MIX', 'EventHeap', 'Fifo', 'SERVICE_LAWS', 'Scenarios', 'SimulationObserver', 'contended', 'delay'],
    ...['exponential', 'listed', 'merged', 'poisson', 'pool', 'runLoad', 'runSimulation', 'stream'],
  ])
})
