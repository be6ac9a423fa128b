/** The cost of a call, ns: the fastest of several blocks, since a machine that does something else as well only adds to it. */

import type { EngineKind } from '../engine/port.js'
import { Atrion } from '../entries/node.js'

const BLOCK_MS = 5
/** So many blocks are measured at least: the first ones load and compile, and a busy machine may take all of the time for one. */
const LEAST_BLOCKS = 16

export type Loop = (calls: number) => void

const SAMPLE = { latencyMs: 20, errorRate: 0, saturation: 0.2 }
const ROUTE = 'GET /'

/** Calls by what they are; undefined where the engine has no such call. */
export const CALLS: Readonly<Record<string, (atrion: Atrion) => Loop | undefined>> = {
  'route()': (atrion) => (calls) => {
    for (let i = 0; i < calls; i++) atrion.route(ROUTE, SAMPLE)
  },
  'acquire() and release()': (atrion) =>
    atrion.engine === 'ts'
      ? undefined
      : (calls) => {
          for (let i = 0; i < calls; i++) atrion.acquire(ROUTE).release()
        },
}

/** A loop over one call of an engine. @throws DependencyError when the engine does not load */
export function loopOf(call: string, engine: EngineKind): Loop | undefined {
  return CALLS[call]?.(new Atrion({ engine }))
}

/** ns a call in the fastest of the blocks that fit into `ms`, and of 16 at least. */
export function fastestNs(loop: Loop, ms: number): number {
  const untilMs = performance.now() + ms
  let calls = 64
  let fastest = Number.POSITIVE_INFINITY
  let blocks = 0
  while (blocks < LEAST_BLOCKS || performance.now() < untilMs) {
    const startMs = performance.now()
    loop(calls)
    const tookMs = performance.now() - startMs
    if (tookMs >= BLOCK_MS / 2) {
      blocks += 1
      fastest = Math.min(fastest, (tookMs * 1e6) / calls)
    }
    calls = Math.max(64, Math.min(calls * 4, Math.round((calls * BLOCK_MS) / Math.max(tookMs, 1e-3))))
  }
  return fastest
}
