/** `atrion tune`: settings that would have done better on a recording or an access log, with the uncertainty. */

import type { EngineKind } from '../engine/kinds.js'
import { Atrion } from '../entries/node.js'
import { isRecording, RecordingError } from '../replay/blocks.js'
import { Companions } from '../replay/candidate-run.js'
import { fitLines, logLines } from '../replay/fit-report.js'
import { LogTrace } from '../replay/log-trace.js'
import { Replay } from '../replay/replay.js'
import { coverageLines } from '../replay/report.js'
import { duration, percent, table, whole } from '../replay/text.js'
import { type Requests, Trace } from '../replay/trace.js'
import { proposalsFor, tune as tuneTrace } from '../replay/tune.js'
import { RECORDED, whatIf, withoutGate } from '../replay/what-if.js'
import { engineNamed, makerOf, splitArgs, withFiles } from './replay.js'
import { openSource } from './source.js'
import { parse, UsageError } from './usage.js'

const HELP = `Usage: atrion tune <recording or access log> [options]

Fits a plant to the answers of each route, tries deadlines, bounds of the limit and reserved shares on the same requests, and proposes
the settings that do better on the fitted plants. Prints how close these come to the recording, and the 90 % confidence interval of
each gain, by a bootstrap over blocks of time.

- is standard input. Files and input that gzip has compressed are unpacked into a temporary file, and by zstd where Node.js can
(22.15 and later): zcat access.log.*.gz | atrion tune -

  --seeds <n>        runs of each setting, 1 to 50 (default 3)
  --engine <engine>  the engine that decides: native, wasm or ts (default: the recorded one)
  --json             print JSON
  --help             this text`

function seedsOf(value: string): number {
  const seeds = Number(value)
  if (Number.isInteger(seeds) && seeds >= 1 && seeds <= 50) return seeds
  throw new UsageError(`--seeds must be an integer from 1 to 50, got '${value}'`)
}

export const tune = {
  summary: 'proposes settings for a recording or an access log, with their estimated effect',
  help: HELP,
  async run(args: readonly string[]): Promise<number> {
    const { alone, all, rest } = splitArgs(args, '--config')
    if (all.length > 0)
      throw new UsageError('--config is an option of atrion replay: tune proposes settings of its own')
    const options = parse<{ json: true; engine: EngineKind; seeds: number }>(rest, {
      json: true,
      engine: engineNamed,
      seeds: seedsOf,
    })
    const path = alone[0]
    if (path === undefined || alone.length > 1)
      throw new UsageError('exactly one recording or access log must be given')
    return withFiles('tune', path, async () => {
      const source = await openSource(path)
      try {
        let trace: Requests
        const isLog = !isRecording(source)
        let engine = options.engine
        const lines: string[] = []
        if (!isLog) {
          const recorded = new Trace()
          const result = new Replay(makerOf(options.engine), new Companions([recorded])).all(source)
          lines.push(...coverageLines(result))
          engine ??= result.coverage.about.engine
          trace = recorded
        } else {
          const log = new LogTrace(source, undefined)
          lines.push(...logLines(log))
          trace = log
        }
        const fits = trace.fits()
        if (fits.length === 0) throw new RecordingError('nothing was answered in it: no plant can be fitted')
        const make = (given: object): Atrion => new Atrion({ ...given, ...(engine !== undefined && { engine }) })
        const { present, proposals } = await tuneTrace(
          proposalsFor(trace, fits),
          RECORDED,
          (candidate, seed) => whatIf(trace, fits, candidate, make, seed),
          options.seeds ?? 3,
        )
        const better = proposals.filter(({ fromPerS }) => fromPerS > 0)
        if (options.json) {
          const tried = proposals.map(({ candidate, result, ...rest }) => {
            return {
              ...rest,
              name: candidate.name,
              changes: candidate.changes,
              routes: Object.fromEntries(candidate.routes),
              p99Ms: result.p99Ms,
            }
          })
          console.log(
            JSON.stringify(
              {
                presentPerS: present[0]!.goodputPerS,
                recordedPerS: (1000 * trace.good) / Math.max(trace.spanMs, 1),
                better: better.length,
                tried,
              },
              null,
              2,
            ),
          )
          return 0
        }
        const signed = (x: number): string => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(1)}`
        lines.push(
          ...fitLines(trace, fits, [
            ...(isLog ? [{ name: 'no admission control', result: await withoutGate(trace, fits) }] : []),
            { name: isLog ? 'default settings' : 'the recorded settings', result: present[0]! },
          ]),
          '',
          ...table(
            ['settings', 'good/s', 'gain', '90 % interval', 'refused', 'p99'],
            proposals.map(({ candidate, goodPerS, gainPerS, fromPerS, toPerS, result: { total, p99Ms } }) => [
              candidate.name,
              goodPerS.toFixed(1),
              signed(gainPerS),
              `${signed(fromPerS)} to ${signed(toPerS)}`,
              percent(total.refused, total.offered),
              duration(p99Ms),
            ]),
          ),
          '',
        )
        const [best] = better
        if (best === undefined) {
          lines.push(`proposal    none: of ${whole(proposals.length)} settings none does better beyond doubt`)
        } else {
          const { changes, routes } = best.candidate
          const settings = { ...changes, ...(routes.size > 0 && { routes: Object.fromEntries(routes) }) }
          lines.push(
            `proposal    ${best.candidate.name}: ${signed(best.fromPerS)} to ${signed(best.toPerS)} good answers a second`,
            `            as a candidate for replay --config: ${JSON.stringify(settings)}`,
          )
        }
        console.log(lines.join('\n'))
        return 0
      } finally {
        source.close()
      }
    })
  },
}
