/** The thresholds below which a signal is noise. */

/** ε: a value closer to zero than this is an artefact of floating point, and is zero. */
export const PHYSICS_EPSILON = 1e-9

/** A change smaller than this is the tremor of a steady state, not news. */
export const MIN_SIGNIFICANT_CHANGE = 1e-4

/** R_max: the largest resistance, Ω. Far above any voltage in use, and far from overflow. */
export const MAX_SAFE_RESISTANCE = 1e6

/** The name under which the guards know {@link PHYSICS_EPSILON}. */
export const EPSILON = PHYSICS_EPSILON

/** The name under which the guards know {@link MAX_SAFE_RESISTANCE}, Ω. */
export const MAX_RESISTANCE = MAX_SAFE_RESISTANCE

/** Shortest span that `PhysicsGuard.safeDeltaT` returns by default, ms. */
export const MIN_DELTA_T = 1
