/** A candidate on the plants that are fitted to a trace: what it would have come to, queues and all. */

import type { Atrion } from '../atrion.js'
import type { AtrionOptions, RouteProfileOptions } from '../options/options.js'
import { changedProfile } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'
import { type LoadOptions, type LoadResult, runLoad } from '../simulation/load.js'
import { type Candidate, candidateBase, candidateParams } from './candidate-file.js'
import { type Fit, plantsOf, type Requests } from './trace.js'

export type MakeAtrion = (options: AtrionOptions) => Atrion

export const RECORDED: Candidate = { name: 'recorded settings', changes: {}, autoTuner: undefined, routes: new Map() }

const TIERS = ['bulk', 'low', 'normal', 'high', 'critical'] as const

/** The options and the settings that come to parameters. */
export function settingsOf({ config, slo, tuner, limits, profile, pool, reserve }: RouteParams): {
  options: AtrionOptions
  changes: RouteProfileOptions
} {
  const shares = Object.fromEntries(
    TIERS.map((tier, i) => [tier, reserve[i]] as const).filter(([, share]) => (share ?? 0) > 0),
  )
  return {
    options: { config, slo, autoTuner: tuner ?? false },
    changes: {
      limits,
      profile,
      ...(pool !== undefined && { pool }),
      ...(Object.keys(shares).length > 0 && { reserve: shares }),
    },
  }
}

/** Runs the requests of a trace against fitted plants, with nothing in front of them. */
export const withoutGate = (trace: Requests, fits: readonly Fit[], seed = 1): Promise<LoadResult> =>
  runLoad({
    gate: () => ({ acquire: () => ({ allow: true, release() {} }) }),
    ...loadOf(trace, fits, seed),
  })

const loadOf = (trace: Requests, fits: readonly Fit[], seed: number): Omit<LoadOptions, 'gate'> => ({
  arrivals: trace.arrivals(),
  plants: plantsOf(fits),
  // Judged by the recorded deadline: a candidate does not become better by asking for less.
  deadlineMs: (route) => trace.deadlineOf(route),
  seed,
  binS: Math.max(trace.spanMs / 1000 / 360, 0.1),
})

/** Runs the requests of a trace against a candidate and fitted plants. */
export async function whatIf(
  trace: Requests,
  fits: readonly Fit[],
  candidate: Candidate,
  make: MakeAtrion,
  seed = 1,
): Promise<LoadResult> {
  const { params } = trace
  if (params === undefined) throw new Error('a trace without settings')
  const base = candidateBase(candidate, params)
  const { options, changes } = settingsOf(base)
  return runLoad({
    gate: (clock) => {
      const atrion = make({ ...options, clock, keySecret: 'the same in every run' })
      atrion.configure(changes)
      for (const route of new Set([...trace.given.keys(), ...candidate.routes.keys()])) {
        // Named by the candidate if they do not go together.
        candidateParams(candidate, base, route, trace.given.get(route))
        const own = changedProfile(trace.given.get(route) ?? {}, candidate.routes.get(route) ?? {})
        atrion.setRouteProfile(route, own)
      }
      return atrion
    },
    ...loadOf(trace, fits, seed),
  })
}
