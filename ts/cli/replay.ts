/** `atrion replay`: the decisions of a recording made again, and what other settings would have decided. */

import { builtin } from '../base/builtin.js'
import { isConfigError } from '../base/errors.js'
import { readWholeSync } from '../base/files.js'
import { nearestName } from '../base/suggest.js'
import { ENGINES } from '../engine/engines-node.js'
import type { EngineKind } from '../engine/kinds.js'
import { Atrion } from '../entries/node.js'
import type { AtrionOptions } from '../options/options.js'
import type { EngineMaker } from '../replay/about.js'
import { LOG_FORMATS, type LogFormat } from '../replay/access-log.js'
import { isRecording, RecordingError } from '../replay/blocks.js'
import { type Candidate, CandidateError, parseCandidate } from '../replay/candidate-file.js'
import { CandidateRun, Companions } from '../replay/candidate-run.js'
import { fitLines, fitSections, logLines, logReportOf, type WhatIf } from '../replay/fit-report.js'
import { LogTrace } from '../replay/log-trace.js'
import { replayPage } from '../replay/page.js'
import { Replay } from '../replay/replay.js'
import { candidateLines, coverageLines, reportOf, summaryLines, verdictLines } from '../replay/report.js'
import type { ReplayResult } from '../replay/result.js'
import { type Fit, type Requests, Trace } from '../replay/trace.js'
import { RECORDED, whatIf, withoutGate } from '../replay/what-if.js'
import { pageOf } from '../simulation/page.js'
import { openSource, shownName } from './source.js'
import { parse, UsageError } from './usage.js'

const HELP = `Usage: atrion replay <recording or access log> [options]

Repeats every decision of a recording from its recorded inputs, and compares it with the recorded one, bit for bit. Prints first
how much the recording covers. Exits with 1 if a decision that follows from the recording differs, or if the recording cannot
be read; a damaged one is used up to the damage.

An access log has no decisions: its requests are run against plants that are fitted to its latencies.

- is standard input. Files and input that gzip has compressed are unpacked into a temporary file, and by zstd where Node.js can
(22.15 and later): zcat access.log.*.gz | atrion replay -

  --config <file>    settings to try on the same requests, JSON: { "slo": { "maxAcceptableLatencyMs": 200 },
                     "limits": …, "routes": { "GET /orders": { … } } }; may be repeated. Prints what these settings would
                     have decided, within bounds, and simulates them on plants that are fitted to the recorded answers
  --format <format>  recording, nginx, apache, envoy or pino (default: by the file's content)
  --out <file>       also write an HTML page with plots
  --engine <engine>  the engine that decides: native, wasm or ts (default: the recorded one)
  --json             print JSON
  --help             this text`

const ENGINE_NAMES: readonly EngineKind[] = ['native', 'wasm', 'ts']
const MOST_CANDIDATES = 8
/** Routes of a candidate that are named where the recording has none of them. */
const MOST_STRANGERS = 5
/** The longest candidate, bytes. */
const LONGEST_CANDIDATE = 2 ** 20

export function engineNamed(value: string): EngineKind {
  if (ENGINE_NAMES.includes(value as EngineKind)) return value as EngineKind
  throw new UsageError(`--engine must be ${ENGINE_NAMES.join(', ')}, got '${value}'`)
}

/** Splits what stands alone from the options, and collects an option that may be repeated. */
export function splitArgs(
  args: readonly string[],
  repeated: string,
): { alone: string[]; all: string[]; rest: string[] } {
  const [alone, all, rest]: [string[], string[], string[]] = [[], [], []]
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === repeated) {
      const value = args[++i]
      if (value === undefined || value === '') throw new UsageError(`${repeated} needs a value`)
      all.push(value)
    } else if (arg.startsWith(`${repeated}=`)) all.push(arg.slice(repeated.length + 1))
    else if (arg.startsWith('--')) {
      rest.push(arg)
      const isFlag = arg.includes('=') || ['--json', '--help'].includes(arg)
      if (!isFlag && args[i + 1] !== undefined) rest.push(args[++i]!)
    } else alone.push(arg)
  }
  return { alone, all, rest }
}

function readCandidate(path: string): ReturnType<typeof parseCandidate> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(readWholeSync(path, LONGEST_CANDIDATE))
  } catch (error) {
    throw new CandidateError(`${path} cannot be read: ${(error as Error).message}`)
  }
  return parseCandidate(text, path)
}

/** An engine by its name, or the one that was asked for. @throws RecordingError where it does not load */
export const makerOf =
  (wanted: EngineKind | undefined): EngineMaker =>
  (kind, maxRoutes) => {
    const name = wanted ?? kind
    try {
      return ENGINES[name]!(maxRoutes)
    } catch (error) {
      throw new RecordingError(
        `engine '${name}' does not load: ${(error as Error).message.split('\n', 1)[0]}. --engine names another`,
      )
    }
  }

/** @throws RecordingError where there is no folder to write that page in, before all the work is done */
function requireFolder(path: string): void {
  try {
    const [files, { dirname }] = [builtin('node:fs'), builtin('node:path')]
    files.accessSync(dirname(path), files.constants.W_OK)
  } catch (error) {
    throw new RecordingError(`${path} cannot be written: ${(error as Error).message}`)
  }
}

/** @throws RecordingError where the page cannot be written */
function writePage(path: string, page: string): void {
  try {
    builtin('node:fs').writeFileSync(path, page)
  } catch (error) {
    throw new RecordingError(`${path} cannot be written: ${(error as Error).message}`)
  }
}

/** Runs a command that reads files: what cannot be read is reported, and the exit code is 1. */
export async function withFiles(command: string, path: string, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof RecordingError || error instanceof CandidateError || isConfigError(error))) throw error
    const isNamed = error.message.includes(shownName(path)) || error instanceof CandidateError
    console.error(`atrion ${command}: ${isNamed ? '' : `${shownName(path)}: `}${error.message}`)
    return 1
  }
}

/** The requests of a trace under each of several settings. */
async function runsOf(
  trace: Requests,
  fits: readonly Fit[],
  candidates: readonly Candidate[],
  engine: EngineKind | undefined,
): Promise<WhatIf[]> {
  const make = (given: AtrionOptions): Atrion => new Atrion({ ...given, ...(engine !== undefined && { engine }) })
  const runs: WhatIf[] = []
  for (const candidate of candidates) {
    runs.push({ name: candidate.name, result: await whatIf(trace, fits, candidate, make) })
  }
  return runs
}

interface ReplayOptions {
  readonly json?: true
  readonly engine?: EngineKind
  readonly out?: string
  readonly format?: LogFormat | 'recording' | undefined
}

/** An access log has no decisions to make again: its requests meet the default settings and the candidates. */
async function replayLog(
  path: string,
  log: LogTrace,
  candidates: readonly Candidate[],
  { json, engine, out }: ReplayOptions,
): Promise<number> {
  const fits = log.fits()
  const all = [{ ...RECORDED, name: 'default settings' }, ...candidates]
  const runs: WhatIf[] = []
  if (fits.length > 0) {
    runs.push({ name: 'no admission control', result: await withoutGate(log, fits) })
    runs.push(...(await runsOf(log, fits, all, engine)))
  }
  if (json) console.log(JSON.stringify(logReportOf(log, fits, runs), null, 2))
  else console.log([...logLines(log), ...fitLines(log, fits, runs)].join('\n'))
  if (out !== undefined) {
    const text = logLines(log).join('\n')
    writePage(out, pageOf(`Replay of ${shownName(path)}`, [{ kind: 'pre', text }, ...fitSections(log, fits, runs)]))
  }
  return 0
}

/** The routes of a candidate that the recording does not have: it is a name that was masked, or misspelt. */
function strangers({ candidate }: CandidateRun, { tally }: ReplayResult): string[] {
  const known = [...tally.routes.keys()]
  return [...candidate.routes.keys()]
    .filter((name) => !tally.routes.has(name))
    .slice(0, MOST_STRANGERS)
    .map((name) => {
      const nearest = nearestName(name, known)
      const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
      return `\nwarning     ${candidate.name}: the recording has no route ${name}${hint}`
    })
}

function formatNamed(value: string): LogFormat | 'recording' | undefined {
  if (value === 'auto') return undefined
  if (value === 'recording' || LOG_FORMATS.includes(value as LogFormat)) return value as LogFormat
  throw new UsageError(`--format must be auto, recording, ${LOG_FORMATS.join(', ')}, got '${value}'`)
}

export const replay = {
  summary: 'replays a recording, and shows what other settings would have decided',
  help: HELP,
  async run(args: readonly string[]): Promise<number> {
    const { alone, all, rest } = splitArgs(args, '--config')
    const options = parse<{ json: true; engine: EngineKind; out: string; format: LogFormat | 'recording' | undefined }>(
      rest,
      {
        json: true,
        engine: engineNamed,
        out: (file) => file,
        format: formatNamed,
      },
    )
    const path = alone[0]
    if (path === undefined || alone.length > 1)
      throw new UsageError('exactly one recording or access log must be given')
    if (all.length > MOST_CANDIDATES) throw new UsageError(`at most ${MOST_CANDIDATES} times --config`)
    return withFiles('replay', path, async () => {
      if (options.out !== undefined) requireFolder(options.out)
      const make = makerOf(options.engine)
      const candidates = all.map(readCandidate)
      const pairs = candidates.map((candidate) => {
        return [new CandidateRun(candidate, 'best', make), new CandidateRun(candidate, 'worst', make)] as const
      })
      const source = await openSource(path)
      try {
        const { format } = options
        if (format !== 'recording' && (format !== undefined || !isRecording(source))) {
          return await replayLog(path, new LogTrace(source, format), candidates, options)
        }
        const trace = new Trace()
        const companion = pairs.length === 0 ? undefined : new Companions([...pairs.flat(), trace])
        const result = new Replay(make, companion).all(source)
        const engine = options.engine ?? result.coverage.about.engine
        const fits = trace.fits()
        const runs = fits.length === 0 ? [] : await runsOf(trace, fits, [RECORDED, ...candidates], engine)
        if (options.json) console.log(JSON.stringify(reportOf(result, pairs, runs), null, 2))
        else {
          const lines = [...coverageLines(result), ...verdictLines(result), ...summaryLines(result)]
          for (const [best, worst] of pairs) lines.push(...strangers(best, result), ...candidateLines(best, worst))
          lines.push(...fitLines(trace, fits, runs))
          console.log(lines.join('\n'))
        }
        if (options.out !== undefined) {
          const page = replayPage(`Replay of ${shownName(path)}`, result, pairs, { trace, fits, runs })
          writePage(options.out, page)
          if (options.json !== true) console.log(`\npage        ${options.out}`)
        }
        const isLost = result.coverage.damage !== undefined && result.coverage.decisions === 0
        return result.equal === result.coverage.certain && !isLost ? 0 : 1
      } finally {
        source.close()
      }
    })
  },
}
