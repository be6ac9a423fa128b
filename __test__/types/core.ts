/** The functional model: its types, its laws, and that `atrion` re-exports all of it. */
import assert from 'node:assert/strict'
import * as atrion from 'atrion'
import * as core from 'atrion/core'
import {
  AutoTuner,
  type AutoTunerConfig,
  type Baselines,
  calculateMomentum,
  calculateProfilePressure,
  calculateResistance,
  calculateStaleness,
  createBootstrapState,
  createRequest,
  DEFAULT_AUTOTUNER_CONFIG,
  DEFAULT_CONFIG,
  DEFAULT_SLO,
  type DeltaTime,
  decideFlow,
  deriveBaselines,
  deriveWeights,
  type FlowDecision,
  floatEquals,
  getProfileConfig,
  isValidPressure,
  isValidPressureVector,
  type Momentum,
  type NormalizedPressure,
  normalize,
  normalizeTelemetry,
  type Ohms,
  type PhysicsConfig,
  PROFILE_CONFIGS,
  type PressureVector,
  type ProfileConfig,
  RealClock,
  type Request,
  type RouteState,
  requiresAbortController,
  requiresHeartbeat,
  type Scar,
  type SensitivityWeights,
  type SLOConfig,
  selectRoute,
  type Timestamp,
  type TunerStats,
  updatePhysics,
  updateScar,
  VectorMath,
  VirtualClock,
  type Volts,
} from 'atrion/core'

const config: PhysicsConfig = DEFAULT_CONFIG
const slo: SLOConfig = DEFAULT_SLO
const weights: SensitivityWeights = deriveWeights(slo)
const baselines: Baselines = deriveBaselines(slo)

const calm: NormalizedPressure = normalize(100, 100)
const pressure: PressureVector = normalizeTelemetry(300, 0.1, 0.9, baselines, config.tanhScale)
assert.ok(calm === 0 && isValidPressure(calm) && isValidPressureVector(pressure) && !isValidPressure(2))

const zero: PressureVector = VectorMath.zero()
const length: number = VectorMath.magnitude(VectorMath.subtract(VectorMath.add(pressure, zero), zero))
assert.ok(floatEquals(length ** 2, VectorMath.dot(pressure, pressure)))
assert.ok(VectorMath.sum(VectorMath.scaleComponents(pressure, weights)) > 0)
assert.deepEqual(VectorMath.clamp(VectorMath.divide(VectorMath.scale(zero, 2), 2)), zero)

const clock = new VirtualClock(0)
const start: Timestamp = clock.now()
clock.advance(100)
const elapsed: DeltaTime = clock.deltaFrom(start)
clock.set(500)
assert.ok(new RealClock().now() > 0 && elapsed === 100)

const momentum: Momentum = calculateMomentum(pressure, zero, elapsed)
const scar: Scar = updateScar(0 as Scar, pressure, config, elapsed)
const staleness: number = calculateStaleness(start, clock.now())
const resistance: Ohms = calculateResistance(pressure, momentum, scar, weights, config, staleness)
assert.ok(resistance > config.baseResistance)

const tunerConfig: AutoTunerConfig = { ...DEFAULT_AUTOTUNER_CONFIG, warmupTicks: 1 }
const tuner = new AutoTuner(tunerConfig)
tuner.observe(resistance)
const stats: TunerStats = tuner.getStats()
const points: number[] = [tuner.computeBreakPoint(), tuner.computeRecoveryPoint()]
const verdicts: boolean[] = [tuner.shouldBreak(1e6), tuner.shouldRecover(0), stats.isWarmedUp]
assert.ok(points.every(Number.isFinite) && verdicts.every(Boolean))
tuner.reset()

const fresh: RouteState = createBootstrapState('a', zero, config, start)
const state: RouteState = updatePhysics(fresh, pressure, weights, config, clock.now(), { onUpdate() {} }, tuner)
assert.equal(state.tickCount, 1)
const request: Request = createRequest('r-1', 100 as Volts, clock.now())
const flow: FlowDecision = decideFlow(request, state)
assert.equal(flow.type, 'PASS')
const chosen: RouteState | null = selectRoute([state], 1)
assert.equal(chosen, state)

const heavy: ProfileConfig = getProfileConfig('HEAVY')
assert.equal(heavy, PROFILE_CONFIGS.HEAVY)
assert.ok(
  requiresAbortController('HEAVY') && requiresHeartbeat('EXTREME') && calculateProfilePressure(5000, 'HEAVY') === 0,
)

const constants: number[] = [
  core.PHYSICS_EPSILON,
  core.MIN_SIGNIFICANT_CHANGE,
  core.MAX_SAFE_RESISTANCE,
  core.EPSILON,
  core.MAX_RESISTANCE,
  core.MIN_DELTA_T,
]
assert.ok(constants.every((x) => x > 0))
const guards: Record<'sanitizeVector' | 'safeDeltaT' | 'clampResistance' | 'cleanScar', unknown> = core.PhysicsGuard
assert.ok(Object.values(guards).every((guard) => typeof guard === 'function'))
const numbers: number[] = [
  core.toSafeNumber(Number.NaN),
  core.safeClamp(5, 0, 1),
  core.safeDivide(1, 0),
  core.safeExp(1000),
  core.safeTanh(1),
  core.clampToZero(1e-12),
  core.normalizeZero(-0),
  core.sanitizePressure(3),
  core.sanitizePositive(-1),
]
assert.ok(numbers.every((x) => core.isSafeNumber(x)))

for (const [name, value] of Object.entries(core)) {
  if (name !== 'default' && name !== 'module.exports') {
    assert.equal((atrion as Record<string, unknown>)[name], value, `atrion re-exports ${name}, the very same`)
  }
}

// @ts-expect-error volts are not ohms
const mixed: Ohms = 100 as Volts
// @ts-expect-error a plain number is no resistance
const plain: Ohms = 100
assert.ok(mixed === plain)
