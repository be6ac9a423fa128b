/** The answer of a provider that ends a call without a success, as its outcome is judged. */

import type { Outcome } from '../limiter/types.js'
import type { Classified } from './classify.js'

/** Thrown by the work of a call whose answer is handed on by other means. Never reaches a caller. */
export class AnswerEnd extends Error {
  constructor(readonly classified: Classified) {
    super(`answered: ${classified.kind}`)
  }

  get outcome(): Outcome {
    return this.classified.outcome
  }
}
