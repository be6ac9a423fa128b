/** Documents that nodes share, as the code of another gives them: checked before anything of them is used. */

import { ownOptions } from './own.js'

/** Longest text, bytes of UTF-8. */
export const MAX_TEXT_BYTES = 1 << 20
/** The latest time that a `Date` can hold, Unix ms. */
const LATEST_MS = 8.64e15

/** A document: its version, 0 where there is none, its text, and the store's clock, Unix ms. */
export interface GivenDocument {
  readonly version: number
  readonly text: string | null
  readonly nowMs: number
}

const NAMES = ['version', 'text', 'nowMs'] satisfies (keyof GivenDocument)[]

/** The document in an answer; undefined where it is none, its text is too long, or no counter and no clock has such numbers. */
export function documentIn(value: unknown): GivenDocument | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { version, text, nowMs } = ownOptions(value as GivenDocument, NAMES)
  if (!Number.isSafeInteger(version) || version < 0) return undefined
  if (typeof nowMs !== 'number' || !(nowMs >= 0 && nowMs <= LATEST_MS)) return undefined
  if (text !== null && (typeof text !== 'string' || text.length > MAX_TEXT_BYTES)) return undefined
  return { version, text, nowMs }
}
