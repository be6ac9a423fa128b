/** The names that the engine port shares with the public types: in a file of their own, as declarations that users get lead here. */

export type EngineKind = 'native' | 'wasm' | 'ts'

/** Lowest first; the index is what FRAME.TIER takes. */
export const TIERS = ['bulk', 'low', 'normal', 'high', 'critical'] as const

/** The importance of a request. */
export type Tier = (typeof TIERS)[number]
