/** Sections that change all the time by next to nothing: what hardly differs from what was sent is sent again after a second only. */

import type { ProcessState, RouteList } from './protocol.js'

const STEADY_MS = 1_000
const MOST_KEPT = 256
/** Changes of the process that are next to nothing: of times, ms, and of shares. */
const NEAR_MS = 20
const NEAR_SHARE = 0.1

/** JSON of values by name, kept while they are nearly the same. */
export class Steady<T> {
  readonly #isNear: (before: T, now: T) => boolean
  readonly #sent = new Map<string, { readonly value: T; readonly json: string; readonly atMs: number }>()

  constructor(isNear: (before: T, now: T) => boolean) {
    this.#isNear = isNear
  }

  /** The JSON of a value: as it was sent lately, or anew. */
  jsonOf(name: string, value: T): string {
    const nowMs = performance.now()
    const last = this.#sent.get(name)
    if (last !== undefined && nowMs - last.atMs < STEADY_MS && this.#isNear(last.value, value)) return last.json
    const json = JSON.stringify(value)
    if (this.#sent.size >= MOST_KEPT) this.#sent.clear()
    this.#sent.set(name, { value, json, atMs: nowMs })
    return json
  }
}

/** The process: times and shares may move a little, the rest may not. */
export function isNearProcess(before: ProcessState, now: ProcessState): boolean {
  return (Object.keys(now) as (keyof ProcessState)[]).every((name) => {
    const [old, value] = [before[name], now[name]]
    if (old === value) return true
    if (typeof old !== 'number' || typeof value !== 'number') return false
    if (name === 'utilization' || name === 'heap') return Math.abs(old - value) <= NEAR_SHARE
    const isTime = name === 'loopMs' || name === 'queueAgeMs' || name === 'acceptQueueMs'
    return isTime && Math.abs(old - value) <= NEAR_MS
  })
}

/** The same routes of the same page, in whichever order. */
export function isSameList(before: RouteList, now: RouteList): boolean {
  if (before.total !== now.total || before.matched !== now.matched) return false
  if (before.page !== now.page || before.pages !== now.pages || before.keys.length !== now.keys.length) return false
  const keys = new Set(before.keys)
  return now.keys.every((key) => keys.has(key))
}
