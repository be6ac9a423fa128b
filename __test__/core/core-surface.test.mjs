import { createRequire } from 'node:module'
import * as core from 'atrion/core'
import test from 'ava'

const require = createRequire(import.meta.url)

/** The names that complete the model, so that it can be used alone. */
const BESIDE = [
  'AtrionError',
  'ConfigError',
  'ConnectionError',
  'DependencyError',
  'ParseError',
  'ShedError',
  'SyncError',
  'consoleLogger',
  'consoleObserver',
  'createCollectorObserver',
  'createCompositeObserver',
  'createFilteredObserver',
  'createLogger',
  'getLogger',
  'isAtrionError',
  'isConfigError',
  'isConnectionError',
  'isDependencyError',
  'isParseError',
  'isShedError',
  'isSyncError',
  'resetLogger',
  'setLogger',
  'silentLogger',
  'silentObserver',
]

const NAMES = [
  ...BESIDE,
  'AutoTuner',
  'DEFAULT_AUTOTUNER_CONFIG',
  'DEFAULT_CONFIG',
  'DEFAULT_SLO',
  'EPSILON',
  'MAX_RESISTANCE',
  'MAX_SAFE_RESISTANCE',
  'MIN_DELTA_T',
  'MIN_SIGNIFICANT_CHANGE',
  'PHYSICS_EPSILON',
  'PROFILE_CONFIGS',
  'PhysicsGuard',
  'RealClock',
  'VectorMath',
  'VirtualClock',
  'calculateMomentum',
  'calculateProfilePressure',
  'calculateResistance',
  'calculateRetryAfterMs',
  'calculateStaleness',
  'clampToZero',
  'createBootstrapState',
  'createRequest',
  'decideFlow',
  'deriveBaselines',
  'deriveWeights',
  'floatEquals',
  'getProfileConfig',
  'isSafeNumber',
  'isValidPressure',
  'isValidPressureVector',
  'normalize',
  'normalizeTelemetry',
  'normalizeZero',
  'requiresAbortController',
  'requiresHeartbeat',
  'safeClamp',
  'safeDivide',
  'safeExp',
  'safeTanh',
  'sanitizePositive',
  'sanitizePressure',
  'selectRoute',
  'toSafeNumber',
  'updatePhysics',
  'updateScar',
]

test('atrion/core holds the functional model with its errors, loggers and observers, and nothing else', (t) => {
  t.deepEqual(Object.keys(require('atrion/core')).sort(), [...NAMES].sort())
})

test('every name can be imported from ESM', (t) => {
  for (const name of NAMES) t.true(name in core, name)
})

test('the parts of each namespace are in place', (t) => {
  const vector = 'magnitude add subtract scale divide dot scaleComponents sum clamp zero'.split(' ')
  t.deepEqual(Object.keys(core.VectorMath).sort(), vector.sort())
  const guards = 'sanitizeVector safeDeltaT clampResistance cleanScar'.split(' ')
  t.deepEqual(Object.keys(core.PhysicsGuard).sort(), guards.sort())
  for (const method of ['observe', 'getStats', 'computeBreakPoint', 'computeRecoveryPoint', 'shouldBreak', 'reset']) {
    t.is(typeof core.AutoTuner.prototype[method], 'function', method)
  }
})

test('the main entry re-exports the same instances', (t) => {
  const [main, model] = [require('atrion'), require('atrion/core')]
  for (const name of NAMES) t.is(main[name], model[name], name)
})

test('the defaults are those that the documentation states', (t) => {
  t.deepEqual(
    { ...core.DEFAULT_CONFIG },
    {
      baseResistance: 10,
      decayRate: 0.1,
      scarFactor: 5,
      dampingFactor: 20,
      criticalPressure: 0.7,
      breakMultiplier: 10,
      bootstrapTicks: 10,
      minDeltaT: 100,
      tanhScale: 1,
    },
  )
  t.deepEqual(JSON.parse(JSON.stringify(core.DEFAULT_SLO)), {
    baselineLatencyMs: 100,
    maxAcceptableLatencyMs: 500,
    targetErrorRate: 0.01,
    criticality: { latency: 5, error: 8, saturation: 3 },
  })
  t.deepEqual(
    { ...core.DEFAULT_AUTOTUNER_CONFIG },
    {
      windowSize: 100,
      sensitivity: 3,
      minFloor: 30,
      hardCeiling: 500,
      warmupTicks: 50,
      recoveryMultiplier: 0.5,
    },
  )
  const { PHYSICS_EPSILON, EPSILON, MIN_SIGNIFICANT_CHANGE, MAX_SAFE_RESISTANCE, MAX_RESISTANCE, MIN_DELTA_T } = core
  t.deepEqual(
    [PHYSICS_EPSILON, EPSILON, MIN_SIGNIFICANT_CHANGE, MAX_SAFE_RESISTANCE, MAX_RESISTANCE, MIN_DELTA_T],
    [1e-9, 1e-9, 1e-4, 1e6, 1e6, 1],
  )
})

test('weights are ln(1 + criticality); baselines are the objective and half the capacity', (t) => {
  t.deepEqual(core.deriveWeights(core.DEFAULT_SLO), {
    wLatency: Math.log(6),
    wError: Math.log(9),
    wSaturation: Math.log(4),
  })
  const ignored = core.deriveWeights({ ...core.DEFAULT_SLO, criticality: { latency: 0, error: 0, saturation: 0 } })
  t.deepEqual(ignored, { wLatency: 0, wError: 0, wSaturation: 0 })
  t.deepEqual(core.deriveBaselines(core.DEFAULT_SLO), { latencyMs: 100, errorRate: 0.01, saturation: 0.5 })
})

test('the defaults are frozen', (t) => {
  t.throws(
    () => {
      core.DEFAULT_CONFIG.baseResistance = 1
    },
    { instanceOf: TypeError },
  )
  t.throws(
    () => {
      core.DEFAULT_SLO.criticality.error = 0
    },
    { instanceOf: TypeError },
  )
})

test('floatEquals forgives rounding, not measurements', (t) => {
  t.true(core.floatEquals(0.1 + 0.2, 0.3))
  t.false(core.floatEquals(1, 1 + 1e-9))
  t.false(core.floatEquals(Number.NaN, Number.NaN))
})
