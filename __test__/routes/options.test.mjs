// A bad option throws at construction, and says which, what it may be, and what it was.
import { Atrion, ConfigError, DependencyError } from 'atrion'
import test from 'ava'
import { CALM, create, engine } from '../_engine.mjs'

const nested = (path, value) => path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value)

const refuses = (t, path, range, values) => {
  for (const value of values) {
    const error = t.throws(() => create(nested(path, value)), { instanceOf: ConfigError }, `${path}: ${String(value)}`)
    t.is(error.field, path)
    t.true(error.range.includes(range), `${path}: ${error.range}`)
    t.is(error.got, value)
    t.is(error.code, 'ATRION_CONFIG')
    t.is(error.name, 'ConfigError')
    t.true(error.message.startsWith(`${path} must be ${error.range}, got `), error.message)
  }
}

const accepts = (t, path, values) => {
  for (const value of values) t.notThrows(() => create(nested(path, value)), `${path}: ${String(value)}`)
}

const NO_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, '5', null, true, {}, [5], 5n]

/** [path, what the range says, values outside it, values at its edges] */
const NUMBERS = [
  ['config.baseResistance', '(0, 1e6]', [0, -1, 1_000_001], [Number.MIN_VALUE, 1e6]],
  ['config.decayRate', '≥ 0', [-1e-9], [0, 1e9]],
  ['config.scarFactor', '≥ 0', [-1], [0]],
  ['config.dampingFactor', '≥ 0', [-1], [0]],
  ['config.criticalPressure', '≥ 0', [-0.1], [0, 2]],
  ['config.breakMultiplier', '> 1', [1, 0, -5], [1.0001]],
  ['config.bootstrapTicks', 'an integer in [0, 4294967295]', [-1, 1.5, 2 ** 32], [0, 2 ** 32 - 1]],
  ['config.minDeltaT', 'of ms > 0', [0, -1], [0.001]],
  ['config.tanhScale', '> 0', [0, -1], [0.001]],
  ['autoTuner.windowSize', '≥ 1', [0, 0.99], [1]],
  ['autoTuner.sensitivity', '≥ 0', [-1], [0]],
  ['autoTuner.minFloor', '≥ 0', [-1], [0, 500]],
  ['autoTuner.hardCeiling', '', [-1, 29], [30]],
  ['autoTuner.warmupTicks', 'an integer in [0, 4294967295]', [-1, 0.5], [0]],
  ['autoTuner.recoveryMultiplier', '(0, 1]', [0, 1.01, -1], [1, 0.01]],
  ['slo.baselineLatencyMs', 'of ms > 0', [0, -1], [0.001]],
  ['slo.maxAcceptableLatencyMs', 'of ms > 0', [0, -1], [1000]],
  ['slo.targetErrorRate', '[0, 1]', [-0.01, 1.01], [0, 1]],
  ['slo.criticality.latency', '[0, 10]', [-1, 10.1], [0, 10]],
  ['slo.criticality.error', '[0, 10]', [-1, 11], [0, 10]],
  ['slo.criticality.saturation', '[0, 10]', [-1, 11], [0, 10]],
  ['defaultVoltage', 'of V ≥ 0', [-1], [0, 1e9]],
  ['maxRoutes', 'an integer in [1, 16777216]', [0, -1, 1.5, 16_777_217], [1, 16_777_216]],
]

for (const [path, range, outside, edges] of NUMBERS) {
  test(`${path} is checked`, (t) => {
    refuses(t, path, range, [...outside, ...NO_NUMBERS])
    accepts(t, path, [...edges, undefined])
  })
}

test('groups of options must be objects', (t) => {
  for (const path of ['config', 'slo', 'slo.criticality']) refuses(t, path, 'an object', [5, 'x', null, true])
  refuses(t, 'autoTuner', 'an object', [5, 'x', null])
  accepts(t, 'autoTuner', [true, false, undefined, {}])
})

test('an unknown option is refused: a typo must not be a silent default', (t) => {
  for (const path of ['confg', 'config.scarFaktor', 'autoTuner.window', 'slo.deadline', 'slo.criticality.speed']) {
    const error = t.throws(() => create(nested(path, 1)), { instanceOf: ConfigError })
    t.is(error.field, path)
    t.true(error.range.startsWith('one of '), error.range)
  }
  for (const name of ['toString', 'hasOwnProperty']) {
    t.throws(() => create({ config: { [name]: 1 } }), { instanceOf: ConfigError })
  }
  t.throws(() => create({ config: JSON.parse('{"__proto__": 1}') }), { instanceOf: ConfigError })
})

test('options must be an object', (t) => {
  for (const options of [5, 'native', null, true]) {
    t.throws(() => new Atrion(options), { instanceOf: ConfigError, message: /^options must be an object/ })
  }
  t.notThrows(() => new Atrion())
})

test('an option whose methods are called must have them: the error names the missing one', (t) => {
  const fine = {
    provider: {
      name: 'mine',
      async connect() {},
      async disconnect() {},
      async getVector() {},
      async updateVector() {},
      async deleteVector() {},
      async listRoutes() {},
    },
    observer: { onUpdate() {} },
    clock: { now: () => 0 },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  }
  for (const [option, value] of Object.entries(fine)) {
    t.notThrows(() => create({ [option]: value }))
    for (const method of Object.keys(value).filter((key) => typeof value[key] === 'function')) {
      const error = t.throws(() => create({ [option]: { ...value, [method]: undefined } }), { instanceOf: ConfigError })
      t.is(error.field, option)
      t.is(error.range, `an object with a method ${method}()`)
    }
    for (const bad of [null, 5, 'x', {}]) t.throws(() => create({ [option]: bad }), { instanceOf: ConfigError })
  }
})

test('the tuner’s ceiling must not lie below its floor', (t) => {
  const error = t.throws(() => create({ autoTuner: { minFloor: 100, hardCeiling: 99 } }), { instanceOf: ConfigError })
  t.is(error.field, 'autoTuner.hardCeiling')
  t.regex(error.range, /100/)
  t.is(error.got, 99)
})

test('license is accepted and ignored; useWasm and dryRun are true or false', (t) => {
  t.notThrows(() => create({ license: 'anything' }))
  t.notThrows(() => create({ useWasm: false }))
  for (const option of ['useWasm', 'dryRun']) refuses(t, option, 'true or false', ['yes', 1, null])
})

test('options are read once: changing them later changes nothing', (t) => {
  const config = { baseResistance: 20, bootstrapTicks: 1 }
  const autoTuner = { warmupTicks: 7 }
  const atrion = create({ config, autoTuner })
  config.baseResistance = 500
  autoTuner.warmupTicks = 0
  t.is(atrion.route('route', CALM).resistance, 20)
  t.false(atrion.getTunerStats('route').isWarmedUp)
})

// engines

test('an engine that is none throws, and says which there are', (t) => {
  for (const name of ['rust', '', 'toString', 'Native']) {
    const error = t.throws(() => new Atrion({ engine: name }), { instanceOf: ConfigError })
    t.is(error.field, 'engine')
    t.regex(error.range, /auto, native.*ts/)
    t.is(error.got, name)
  }
})

test('the engine that was named is the one that runs', (t) => {
  t.is(new Atrion({ engine }).engine, engine)
  t.is(new Atrion({ engine: 'ts' }).engine, 'ts')
})

const inEnvironment = (variables, call) => {
  const saved = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]))
  Object.assign(process.env, variables)
  try {
    return call()
  } finally {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

test.serial('the environment names an engine, the options overrule it', (t) => {
  t.is(
    inEnvironment({ ATRION_ENGINE: 'ts' }, () => new Atrion().engine),
    'ts',
  )
  t.is(
    inEnvironment({ ATRION_ENGINE: 'ts' }, () => new Atrion({ engine }).engine),
    engine,
  )
  t.throws(() => inEnvironment({ ATRION_ENGINE: 'abacus' }, () => new Atrion()), {
    instanceOf: ConfigError,
    message: /abacus/,
  })
})

test.serial('useWasm, and ATRION_USE_WASM, ask for the engine wasm: it runs, or its absence is reported', (t) => {
  const wasm = () => {
    try {
      return new Atrion({ useWasm: true }).engine
    } catch (error) {
      return error instanceof ConfigError || error instanceof DependencyError ? 'reported' : error
    }
  }
  t.true(['wasm', 'reported'].includes(wasm()))
  const byEnvironment = inEnvironment({ ATRION_ENGINE: '', ATRION_USE_WASM: 'true' }, () => {
    try {
      return new Atrion().engine
    } catch (error) {
      return error instanceof ConfigError || error instanceof DependencyError ? 'reported' : error
    }
  })
  t.is(byEnvironment, wasm())
})
