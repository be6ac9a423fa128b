/** The shed of a guard further in that a request's answer comes of, whichever way it is found out. */

import { forgetThrown, shedBeingAnswered, shedsThrown, takeThrownAfter } from '../base/shed-answered.js'
import type { Shed } from './_problem.js'

export class InnerShed {
  #shed: Shed | undefined
  /** Sheds that were thrown before the request came are answers to others. */
  readonly #thrownBefore = shedsThrown()

  /** True when the answer says nothing of the request's own route. */
  get isNoted(): boolean {
    return this.#shed !== undefined
  }

  /** Notes a shed that was seen on its way, or caught. */
  note(shed: Shed & object): void {
    this.#shed = shed
    forgetThrown(shed)
  }

  /** The request is answered 503: the shed that this answers; undefined where it is the handler's own. */
  answered(): Shed | undefined {
    const shed = this.#shed ?? shedBeingAnswered() ?? takeThrownAfter(this.#thrownBefore)
    if (shed !== undefined) this.note(shed)
    return shed
  }
}
