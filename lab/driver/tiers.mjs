/** Tiers, highest first; a request's tier is an index into this list everywhere in the lab. */
export const TIERS = /** @type {const} */ (['critical', 'high', 'normal', 'low', 'bulk'])

/** Shares of arrivals by tier, where a scenario does not say otherwise. */
export const DEFAULT_MIX = [0.1, 0.2, 0.4, 0.2, 0.1]
