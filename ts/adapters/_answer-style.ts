/** The style in which a guard answers what it sheds, kept beside the refusal on its way to whatever writes the answer. */

import type { Atrion } from '../atrion.js'

/** The options of an adapter that are of its answers. */
export interface AnswerOptions {
  /**
   * 'ietf': the fields `RateLimit-Policy` and `RateLimit` of the IETF's draft, and a problem type of IANA's registry. Default: neither.
   */
  readonly headers?: 'ietf'
  /** The longest `Retry-After`, ms, 1,000 to 86,400,000: popular clients ignore more than a minute. Default 60,000. */
  readonly maxRetryAfterMs?: number
  /** Send `retry-after-ms` as well, which some clients prefer. Default false. */
  readonly retryAfterMs?: boolean
}

/** A style, and the limit of the route that refused. */
export interface AnswerStyle {
  readonly isIetf: boolean
  readonly maxRetryAfterMs: number
  readonly hasMs: boolean
  /** Requests; undefined where it is not known, or not asked for. */
  readonly limit: number | undefined
}

export const DEFAULT_MAX_RETRY_AFTER_MS = 60_000

const PLAIN: AnswerStyle = {
  isIetf: false,
  maxRetryAfterMs: DEFAULT_MAX_RETRY_AFTER_MS,
  hasMs: false,
  limit: undefined,
}

const styles = new WeakMap<object, AnswerStyle>()

/** The style of a refusal's answer. */
export const styleOf = (refusal: object): AnswerStyle => styles.get(refusal) ?? PLAIN

/** A limit that is shown to clients is of a size that says something. */
const MOST_SHOWN = 1_000_000

function limitOf(atrion: Atrion, routeId: string | undefined): number | undefined {
  if (routeId === undefined) return undefined
  try {
    const limit = Math.floor(atrion.stats(routeId).limit)
    return limit >= 1 && limit < MOST_SHOWN ? limit : undefined
  } catch {
    return undefined
  }
}

/** Styles the refusals of one guard. */
export class AnswerStyles {
  readonly #atrion: Atrion
  readonly #style: AnswerStyle | undefined

  constructor(atrion: Atrion, { headers, maxRetryAfterMs, retryAfterMs }: AnswerOptions) {
    this.#atrion = atrion
    const isPlain = headers === undefined && maxRetryAfterMs === undefined && retryAfterMs !== true
    if (isPlain) return
    this.#style = {
      isIetf: headers === 'ietf',
      maxRetryAfterMs: maxRetryAfterMs ?? DEFAULT_MAX_RETRY_AFTER_MS,
      hasMs: retryAfterMs === true,
      limit: undefined,
    }
  }

  /** Notes in which style a refusal is to be answered. @returns the refusal */
  dress<T extends object>(refusal: T, routeId: string | undefined): T {
    const style = this.#style
    if (style === undefined) return refusal
    styles.set(refusal, style.isIetf ? { ...style, limit: limitOf(this.#atrion, routeId) } : style)
    return refusal
  }
}
