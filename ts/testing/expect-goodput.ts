/** `expectGoodput`: a test of whether settings hold under load. */

import { Atrion } from '../atrion.js'
import { builtin } from '../base/builtin.js'
import { ConfigError } from '../base/errors.js'
import { requireRouteId } from '../base/input.js'
import { define } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import type { Tier } from '../engine/kinds.js'
import type { AtrionOptions, RouteProfileOptions } from '../options/options.js'
import { above, integer, type Range, requireNumber, requireObject } from '../options/ranges.js'
import { type Arrivals, DEFAULT_MIX, poisson } from '../simulation/arrivals.js'
import { type LoadCounts, type LoadResult, requirePlant, runLoad } from '../simulation/load.js'
import { knownOptions } from '../simulation/options.js'
import { pageOf, type Section } from '../simulation/page.js'
import { type Plant, type PoolOptions, pool } from '../simulation/plants.js'
import { GoodputCeiling } from './goodput-ceiling.js'

export interface GoodputOptions {
  /** Of the instance: `slo`, `config`, `autoTuner`, `engine` … Its clock is the simulation's. */
  readonly settings?: AtrionOptions
  /** The settings that `setRouteProfile` takes, by route. */
  readonly routes?: Readonly<Record<string, RouteProfileOptions>>
  /** The plant that does the work: one of `atrion/simulation`, or the options of a pool. */
  readonly plant: Plant | PoolOptions
  /** Load in multiples of the plant's capacity; or that by the time, s. Not beside `arrivals`. */
  readonly load?: number | ((s: number) => number)
  /** Custom arrivals, made anew for each seed. */
  readonly arrivals?: (seed: number) => Arrivals
  /** Default 'GET /work'. */
  readonly route?: string
  readonly mix?: Readonly<Partial<Record<Tier, number>>>
  /** s of virtual time, > 0. Default 30. */
  readonly durationS?: number
  /** Arrivals before this are not judged, s: a limit is found by then. Default a third of the duration, at most 10. */
  readonly warmupS?: number
  /** Runs, each with other chances; all have to hold. 1 to 100, default 3. */
  readonly seeds?: number
  /** An answer later than this is of no use, ms. Default the instance's deadline, 500. */
  readonly deadlineMs?: number
  /**
   * Good answers as a share of what can be had by the plant's `ceiling`: of the load, or of the capacity where that is less, without what fails or
   * takes longer than the deadline by itself. (0, 1], default 0.8.
   */
  readonly atLeast?: number
  /** Share of a tier's requests that have to be answered well, (0, 1]. */
  readonly tiers?: Readonly<Partial<Record<Tier, number>>>
  /** A path: a page with tables and plots is written there, whether it holds or not. Missing folders are made. */
  readonly report?: string
}

export interface GoodputReport {
  /** Of the worst run: good answers a second, those that can be had, and the first as a share of the second. */
  readonly goodputPerS: number
  readonly possiblePerS: number
  readonly share: number
  readonly runs: readonly LoadResult[]
}

const NAMES = [
  ...['settings', 'routes', 'plant', 'load', 'arrivals', 'route', 'mix', 'durationS', 'warmupS', 'seeds'],
  ...['deadlineMs', 'atLeast', 'tiers', 'report'],
] as (keyof GoodputOptions)[]
const DEFAULT_DEADLINE_MS = 500

/** The settings did not hold: the message has the figures. */
export class GoodputError extends Error {
  static {
    define(GoodputError.prototype, 'name', 'GoodputError')
  }
  readonly report: GoodputReport

  constructor(message: string, report: GoodputReport) {
    super(message)
    this.report = report
  }
}

const SHARE: Range = { says: 'a number in (0, 1]', holds: (x) => x > 0 && x <= 1 }
const DURATION: Range = { says: 'a number of s in (0, 86400]', holds: (x) => x > 0 && x <= 86_400 }
const LOAD: Range = { says: 'a number in (0, 1000], or a function of the time, s', holds: (x) => x > 0 && x <= 1000 }

/** A run of one seed, and the good answers that can be had in it, a second. */
interface Run {
  readonly result: LoadResult
  readonly possiblePerS: number
  readonly share: number
}

/** Requests of a tier, or of none. */
const TIERS = [...Object.keys(DEFAULT_MIX), 'none']

function plantOf(given: unknown): Plant {
  const { serve, capacityPerS } = requireObject('plant', given) as Partial<Plant>
  if (serve === undefined) return pool(given as PoolOptions)
  requirePlant('plant', given as Plant)
  if (capacityPerS !== undefined) requireNumber('plant.capacityPerS', capacityPerS, above(0, ' of answers a second'))
  return given as Plant
}

const percent = (share: number): string => (Number.isNaN(share) ? '–' : `${(100 * share).toFixed(1)} %`)
const latency = (ms: number): string => (Number.isNaN(ms) ? '–' : `${ms.toFixed(1)} ms`)
const rate = (perS: number): string => `${perS >= 10 ? Math.round(perS) : perS.toFixed(2)}/s`

function rowsOf(result: LoadResult): string[] {
  const row = (name: string, { offered, admitted, refused, good, late, failed }: LoadCounts): string =>
    name.padEnd(10) + [offered, admitted, refused, good, late, failed].map((x) => String(x).padStart(10)).join('')
  const head = `${''.padEnd(10)}${['offered', 'admitted', 'refused', 'good', 'late', 'failed'].map((x) => x.padStart(10)).join('')}`
  const tiers = [...result.tiers].sort(([a], [b]) => TIERS.indexOf(a) - TIERS.indexOf(b))
  return [head, row('all', result.total), ...tiers.map(([tier, counts]) => row(tier, counts))]
}

/**
 * Runs load against an instance and a plant in virtual time, and rejects where fewer good answers come than are wanted: "will my settings
 * hold at 4 ×?" as a test. The same options give the same runs.
 *
 * ```ts
 * import { expectGoodput } from 'atrion/testing'
 *
 * await expectGoodput({ plant: { servers: 16, serviceMs: 20 }, load: 4, atLeast: 0.8, tiers: { critical: 0.95 } })
 * ```
 *
 * @returns the figures
 * @throws (rejects) GoodputError, whose message has the figures; ConfigError for options that cannot be honoured
 */
export async function expectGoodput(given: GoodputOptions): Promise<GoodputReport> {
  const options = knownOptions('options', given, NAMES)
  const { settings = {}, routes = {}, load, mix, arrivals, report: path } = options
  requireObject('settings', settings)
  for (const [routeId, profile] of Object.entries(requireObject('routes', routes))) {
    requireObject(`routes.${routeId}`, profile)
  }
  const plant = plantOf(options.plant)
  const route = options.route ?? 'GET /work'
  requireRouteId(route, 'route')
  if (path !== undefined && (typeof path !== 'string' || path === '')) {
    throw new ConfigError('report', 'the path of a file', path)
  }
  const atLeast = requireNumber('atLeast', options.atLeast ?? 0.8, SHARE)
  const seeds = requireNumber('seeds', options.seeds ?? 3, integer(1, 100))
  const durationS = requireNumber('durationS', options.durationS ?? 30, DURATION)
  const warmupS = requireNumber('warmupS', options.warmupS ?? Math.min(10, durationS / 3), {
    says: 'a number of s in [0, durationS)',
    holds: (x) => x >= 0 && x < durationS,
  })
  const deadlineMs = requireNumber(
    options.deadlineMs == null ? 'settings.slo.maxAcceptableLatencyMs' : 'deadlineMs',
    options.deadlineMs ?? settings.slo?.maxAcceptableLatencyMs ?? DEFAULT_DEADLINE_MS,
    above(0, ' of ms'),
  )
  const wanted = Object.entries(requireObject('tiers', options.tiers ?? {})).map(([tier, share]) => {
    if (!TIERS.includes(tier)) throw unknownName(`tiers.${tier}`, tier, TIERS)
    return [tier, requireNumber(`tiers.${tier}`, share, SHARE)] as const
  })
  const { capacityPerS } = plant
  if (arrivals !== undefined && load !== undefined) throw new ConfigError('load', 'left out beside arrivals', load)
  const arrivalsOf = arrivals ?? arrivalsBy(load, capacityPerS, { route, mix, durationS })
  if (typeof arrivalsOf !== 'function') throw new ConfigError('arrivals', 'a function of the seed', arrivalsOf)

  const runs: Run[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const next = arrivalsOf(seed)
    if (typeof next !== 'function') throw new ConfigError('arrivals(seed)', 'a function that gives arrivals', next)
    const ceiling = new GoodputCeiling(plant, deadlineMs, warmupS * 1000)
    const result = await runLoad({
      gate: (clock) => {
        const atrion = new Atrion({ ...settings, clock })
        for (const [routeId, profile] of Object.entries(routes)) atrion.setRouteProfile(routeId, profile)
        return atrion
      },
      arrivals: ceiling.over(next),
      plants: plant,
      deadlineMs,
      warmupS,
      seed,
    })
    const { total, countedS } = result
    runs.push({
      result,
      possiblePerS: ceiling.good / countedS,
      // All of nothing: the verdict is another.
      share: ceiling.good > 0 ? total.good / ceiling.good : 1,
    })
  }
  const worstRun = runs.reduce((a, b) => (b.share < a.share ? b : a))
  const { result: worst, possiblePerS, share } = worstRun
  const result: GoodputReport = {
    goodputPerS: worst.goodputPerS,
    possiblePerS,
    share,
    runs: runs.map((run) => run.result),
  }

  const problems: string[] = []
  if (runs.some((run) => run.result.total.offered === 0)) problems.push('no request came')
  else if (possiblePerS === 0) problems.push('no good answer can be had')
  else if (share < atLeast) {
    problems.push(
      `goodput was ${rate(worst.goodputPerS)}, ${percent(share)} of the ${rate(possiblePerS)} that can be had, and at least ${percent(atLeast)} is wanted`,
    )
  }
  for (const [tier, share] of wanted) {
    const shares = runs.map((run) => {
      const { offered = 0, good = 0 } = run.result.tiers.get(tier) ?? {}
      return offered === 0 ? Number.NaN : good / offered
    })
    const least = Math.min(...shares)
    if (!(least >= share)) {
      problems.push(`${percent(least)} of tier '${tier}' were answered well, and at least ${percent(share)} are wanted`)
    }
  }
  if (path !== undefined) {
    const { mkdirSync, writeFileSync } = builtin('node:fs')
    mkdirSync(builtin('node:path').dirname(path), { recursive: true })
    writeFileSync(path, reportPage(result, problems, capacityPerS))
  }
  if (problems.length === 0) return result
  const figures = [
    `offered ${rate(worst.total.offered / worst.countedS)}, deadline ${deadlineMs} ms, p50 ${latency(worst.p50Ms)}, p99 ${latency(worst.p99Ms)}, run ${runs.indexOf(worstRun) + 1} of ${seeds}:`,
    ...rowsOf(worst),
  ]
  throw new GoodputError(`${problems.join('; ')}\n${figures.join('\n')}`, result)
}

function arrivalsBy(
  load: GoodputOptions['load'],
  capacityPerS: number | undefined,
  more: { route: string; mix: GoodputOptions['mix']; durationS: number },
): (seed: number) => Arrivals {
  if (load === undefined) throw new ConfigError('load', 'a multiple of the capacity, unless there are arrivals', load)
  if (capacityPerS === undefined) {
    throw new ConfigError('load', 'left out, and arrivals given, where a plant has no capacity', load)
  }
  if (typeof load !== 'function') requireNumber('load', load, LOAD)
  const perS = typeof load === 'function' ? (s: number) => capacityPerS * load(s) : capacityPerS * load
  const { mix, ...rest } = more
  return (seed) => poisson({ ...rest, ...(mix !== undefined && { mix }), perS, seed })
}

function reportPage(report: GoodputReport, problems: readonly string[], capacityPerS: number | undefined): string {
  const sections: Section[] = [
    {
      kind: 'text',
      text: problems.length === 0 ? 'The settings hold.' : `The settings do not hold: ${problems.join('; ')}.`,
    },
  ]
  report.runs.forEach((run, i) => {
    const flat = run.offeredPerS.map(() => capacityPerS ?? Number.NaN)
    sections.push(
      { kind: 'heading', text: `Run ${i + 1}` },
      {
        kind: 'plot',
        plot: {
          title: 'Good answers, refusals, load',
          unit: 'requests a second',
          binS: run.binS,
          lines: [
            { name: 'offered', values: run.offeredPerS },
            { name: 'good', values: run.goodPerS },
            { name: 'refused', values: run.refusedPerS },
            { name: 'capacity', values: flat },
          ],
        },
      },
      { kind: 'pre', text: rowsOf(run).join('\n') },
    )
  })
  return pageOf('Goodput', sections)
}
