/** The gate before the limiter, which refuses or demotes keys. Without one, a request costs a comparison with undefined. */

import type { LimitedBy } from '../base/limited-by.js'

/** Verdicts on a key: it goes on, it goes on as `bulk`, it is refused. */
export const VERDICT = { PASS: 0, DEMOTE: 1, REFUSE: 2 } as const

export interface KeyGate {
  /** A {@link VERDICT}. Never throws. @param hash the key's, under the secret of the process or of the option `keySecret` */
  check(key: string, hash: number): number
  /** The obstacle of the last refusal, and the time after which it ends, ms. */
  readonly limitedBy: LimitedBy
  readonly retryAfterMs: number
  /** False where no failures are counted. */
  readonly countsFailures: boolean
  /** Notes a failure of a request of the last key, where they are counted. */
  failureOf(): () => void
}
