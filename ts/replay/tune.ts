/**
 * Tuning: settings that do better on plants that are fitted to a trace, with the uncertainty. Every setting meets the same arrivals and, seed
 * by seed, the same chances, so that settings are compared pair by pair; the uncertainty is a bootstrap over blocks of time, since
 * neighbouring seconds are alike (Künsch, "The jackknife and the bootstrap for general stationary observations", 1989).
 */

import type { RouteProfileOptions } from '../options/options.js'
import type { LoadResult } from '../simulation/load.js'
import { stream } from '../simulation/random.js'
import type { Candidate } from './candidate-file.js'
import type { Fit, Requests } from './trace.js'

/** Blocks of time in a run, and samples that are drawn of them. */
const BLOCKS = 30
const SAMPLES = 1_000
/** Between these shares of the samples lies the interval: 90 %. */
const [LOW, HIGH] = [0.05, 0.95]

export interface Proposal {
  readonly candidate: Candidate
  /** Good answers a second more than with the present settings, and the interval of 90 %. */
  readonly gainPerS: number
  readonly fromPerS: number
  readonly toPerS: number
  readonly goodPerS: number
  readonly result: LoadResult
}

export type RunCandidate = (candidate: Candidate, seed: number) => Promise<LoadResult>

/** The settings that are tried: the deadline, the bounds of the limit around the fitted servers, and reserves for tiers that are short. */
export function proposalsFor(trace: Requests, fits: readonly Fit[]): Candidate[] {
  const deadlineMs = trace.params?.slo.maxAcceptableLatencyMs ?? 500
  const named = (name: string, changes: RouteProfileOptions, routes: Candidate['routes'] = new Map()): Candidate => ({
    name,
    changes,
    autoTuner: undefined,
    routes,
  })
  // A short deadline has fewer neighbours of whole ms.
  const deadlinesMs = new Set([0.5, 0.75, 1.5, 2].map((factor) => Math.max(1, Math.round(deadlineMs * factor))))
  deadlinesMs.delete(deadlineMs)
  const all = [...deadlinesMs].map((ms) => {
    return named(`slo.maxAcceptableLatencyMs: ${ms}`, { slo: { maxAcceptableLatencyMs: ms } })
  })
  const full = fits.filter(({ wasFull }) => wasFull)
  for (const factor of full.length === 0 ? [] : [1, 2]) {
    const routes = new Map(
      full.map(({ route, servers }) => {
        const max = Math.max(1, Math.round(servers * factor))
        const min = trace.given.get(route)?.limits?.min ?? trace.params?.limits.min ?? 1
        return [route, { limits: { ...(min > max && { min: max }), max, initial: max } }] as const
      }),
    )
    all.push(named(`limits.max: ${factor} × the fitted servers`, {}, routes))
  }
  for (const critical of [0.2, 0.4]) all.push(named(`reserve.critical: ${critical}`, { reserve: { critical } }))
  return all
}

/** Differences of good answers a second, block of time by block of time. */
function differences(a: LoadResult, b: LoadResult): number[] {
  const bins = Math.min(a.goodPerS.length, b.goodPerS.length)
  const size = Math.max(1, Math.ceil(bins / BLOCKS))
  const blocks: number[] = []
  for (let from = 0; from < bins; from += size) {
    let sum = 0
    const to = Math.min(from + size, bins)
    for (let i = from; i < to; i++) sum += a.goodPerS[i]! - b.goodPerS[i]!
    blocks.push(sum / (to - from))
  }
  return blocks
}

/** The mean of numbers, and the interval of 90 % that it lies in. */
export function bootstrap(values: readonly number[], name: string): readonly [mean: number, from: number, to: number] {
  const mean = values.reduce((sum, one) => sum + one, 0) / Math.max(1, values.length)
  const draw = stream(name)
  const means = Array.from({ length: SAMPLES }, () => {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(draw() * values.length)]!
    return sum / Math.max(1, values.length)
  }).sort((a, b) => a - b)
  return [mean, means[Math.floor(LOW * SAMPLES)]!, means[Math.floor(HIGH * SAMPLES) - 1]!]
}

/** Tries candidates; those that do better come first. */
export async function tune(
  candidates: readonly Candidate[],
  present: Candidate,
  run: RunCandidate,
  seeds: number,
): Promise<{ readonly present: readonly LoadResult[]; readonly proposals: readonly Proposal[] }> {
  const before: LoadResult[] = []
  for (let seed = 1; seed <= seeds; seed++) before.push(await run(present, seed))
  const proposals: Proposal[] = []
  for (const candidate of candidates) {
    const blocks: number[] = []
    let goodPerS = 0
    let result = before[0]!
    for (let seed = 1; seed <= seeds; seed++) {
      result = await run(candidate, seed)
      goodPerS += result.goodputPerS / seeds
      blocks.push(...differences(result, before[seed - 1]!))
    }
    const [gainPerS, fromPerS, toPerS] = bootstrap(blocks, candidate.name)
    proposals.push({ candidate, gainPerS, fromPerS, toPerS, goodPerS, result })
  }
  proposals.sort((a, b) => b.fromPerS - a.fromPerS)
  return { present: before, proposals }
}
