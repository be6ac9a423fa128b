/** The trial of settings on a share of keys: their requests are decided by the settings that are tried, all others by those that hold. */

/** The requests of the keys that settings are tried on, or those of the others. */
export interface TrialGroup {
  /** True where settings are tried on it. */
  readonly isTried: boolean
  /** A request was refused. @param tier its number; negative: not known */
  refused(tier: number): void
  /** A request was admitted. @param failed called where it fails, besides what this notes @returns what is to be called where it fails */
  admitted(tier: number, failed: (() => void) | undefined): (() => void) | undefined
}

export interface KeyTrial {
  /** The group of a request, which is decided next. @param hash the key's, under the secret of the process or of the option `keySecret` */
  groupOf(hash: number): TrialGroup
  /** The number of the law of a route as it is tried; −1: it is the route's own. */
  lawOf(routeId: string): number
}
