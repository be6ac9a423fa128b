/**
 * The functional model: the physics of Atrion as pure functions, to read, to test against, and to run anywhere; with the
 * errors, loggers and observers that go with them, so that it can be used without the rest of the package.
 */

export * from '../base/errors.js'
export * from '../events/loggers.js'
export * from '../events/observers.js'
export { type Clock, RealClock, VirtualClock } from './clock.js'
export { DEFAULT_CONFIG, DEFAULT_SLO, deriveBaselines, deriveWeights, floatEquals } from './config.js'
export {
  EPSILON,
  MAX_RESISTANCE,
  MAX_SAFE_RESISTANCE,
  MIN_DELTA_T,
  MIN_SIGNIFICANT_CHANGE,
  PHYSICS_EPSILON,
} from './constants.js'
export { createRequest, decideFlow, selectRoute } from './flow.js'
export {
  clampToZero,
  isSafeNumber,
  normalizeZero,
  PhysicsGuard,
  safeClamp,
  safeDivide,
  safeExp,
  safeTanh,
  sanitizePositive,
  sanitizePressure,
  toSafeNumber,
} from './guards.js'
export { calculateMomentum } from './momentum.js'
export { isValidPressure, isValidPressureVector, normalize, normalizeTelemetry } from './normalize.js'
export {
  calculateProfilePressure,
  getProfileConfig,
  PROFILE_CONFIGS,
  type ProfileConfig,
  requiresAbortController,
  requiresHeartbeat,
  type WorkloadProfile,
} from './profiles.js'
export { calculateResistance } from './resistance.js'
export { calculateRetryAfterMs } from './retry.js'
export { updateScar } from './scar.js'
export { calculateStaleness } from './staleness.js'
export { createBootstrapState, updatePhysics } from './tick.js'
export {
  AutoTuner,
  type AutoTunerConfig,
  DEFAULT_AUTOTUNER_CONFIG,
  type TunerMoments,
  type TunerStats,
} from './tuner.js'
export type * from './types.js'
export { VectorMath } from './vector.js'
