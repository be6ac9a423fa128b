/** `atrion doctor`: which engine runs here and why not a better one, and what else the package needs of the machine. */

import { AddonError, loadAddon, loadRedisBinding, VERSION } from '../addon/addon.js'
import { isBuilt, libcOfProcess } from '../addon/platform.js'
import { reasonOf } from '../engine/failure.js'
import type { EngineKind } from '../engine/port.js'
import { Atrion } from '../entries/node.js'
import { nameOf } from '../providers/postgres/settings.js'
import { type Ability, canShareMachine, canWatchLoop } from './abilities.js'
import { canReadAcceptQueue, cpuOf, glibcVersion, limitsOf } from './host.js'
import { CALLS, fastestNs, loopOf } from './measure.js'
import { examinePostgres, type Place, type PostgresReport, postgresRows } from './postgres.js'
import { rightsOn } from './redis.js'
import type { Right } from './rights.js'
import { parse, UsageError } from './usage.js'

const HELP = `Usage: atrion doctor [options]

Prints which engine runs on this machine and why no better one does, the cost of a decision, and limits of the machine. Exits
with 1 if an expected part is missing.

  --expect <engine>  the engine that 'auto' must choose: native, wasm or ts (default: native, if it is published for this platform)
  --redis <url>      also check whether RedisStateProvider can connect to this server, and which rights it has there
  --postgres <url>   the same of PostgresStateProvider, with 'pg' or 'postgres' as it is installed in this folder: the tables and their
                     version, and the rights of the role, also those that it does not need
  --schema <name>    the schema of its tables (default: atrion)
  --table <name>     the beginning of their names (default: state)
  --json             print JSON
  --help             this text`

const ENGINES: readonly EngineKind[] = ['native', 'wasm', 'ts']
/** The time that one cost is measured, ms. */
const MEASURE_MS = 150

interface Load {
  readonly ok: boolean
  readonly causes?: readonly string[]
  readonly remedy?: string
}

export interface Report {
  readonly ok: boolean
  /** The parts that are expected and missing, each with its remedy. */
  readonly problems: readonly string[]
  readonly engine: EngineKind | null
  readonly expected: EngineKind
  readonly engines: Readonly<Record<EngineKind, Load>>
  readonly version: string
  readonly addon: { readonly version: string; readonly path: string } | null
  /** The addon that RedisStateProvider loads; null where there is no native engine, beside which it lies. */
  readonly redisClient: Load | null
  readonly node: string
  readonly platform: string
  readonly arch: string
  readonly libc: string | null
  readonly cpu: { readonly model: string; readonly cores: number; readonly features: readonly string[] }
  readonly instructionSet: string | null
  readonly decisionNs: Readonly<Record<string, number>>
  readonly acceptQueue: Ability
  /** The watch of the event loop for stalls. */
  readonly watchdog: Ability
  /** State that processes of this machine share: `scope: 'machine'`. */
  readonly machine: Ability
  readonly limits: { readonly memoryBytes?: number | undefined; readonly cpus?: number | undefined }
  readonly redis?: readonly Right[]
  readonly postgres?: PostgresReport
}

interface Options extends Partial<Place> {
  readonly expect?: EngineKind
  readonly redis?: string
  readonly postgres?: string
}

/** Loads an engine; the reason, if it does not. */
function tryEngine(kind: EngineKind): Load {
  try {
    new Atrion({ engine: kind })
    return { ok: true }
  } catch (error) {
    const {
      message,
      cause,
      installCommand,
      remedy = installCommand,
    } = error as Error & {
      readonly installCommand?: string
      readonly remedy?: string
    }
    const causes =
      cause instanceof AddonError
        ? cause.attempts.map((attempt) => `${attempt.what} ${attempt.cause}`)
        : [cause === undefined ? message : reasonOf(kind, cause)]
    return { ok: false, causes, ...(remedy !== undefined && { remedy }) }
  }
}

function libcText(): string | null {
  const libc = libcOfProcess()
  if (libc === undefined) return null
  const version = libc === 'glibc' ? glibcVersion() : undefined
  return version === undefined ? libc : `${libc} ${version}`
}

function addonOf(): (Report['addon'] & object) | null {
  try {
    const { binding, path } = loadAddon()
    return { version: (binding as { VERSION: string }).VERSION, path }
  } catch {
    return null
  }
}

/** Loads the client of Redis; the reason, if it does not. */
function tryRedisClient(): Load {
  try {
    loadRedisBinding()
    return { ok: true }
  } catch (error) {
    const { attempts, remedy } = error as AddonError
    return { ok: false, causes: attempts.map(({ what, cause }) => `${what} ${cause}`), remedy }
  }
}

const INSTRUCTIONS: Readonly<Record<EngineKind, () => string>> = {
  native: () => (loadAddon().binding as { instructionSet(): string }).instructionSet(),
  wasm: () => 'simd128',
  ts: () => 'none: plain numbers',
}

async function examine(options: Options = {}): Promise<Report> {
  const engines = Object.fromEntries(ENGINES.map((kind) => [kind, tryEngine(kind)])) as Record<EngineKind, Load>
  const engine = ENGINES.find((kind) => engines[kind].ok) ?? null
  const expected = options.expect ?? (isBuilt() ? 'native' : 'wasm')
  const problems: string[] = []
  if (engine !== expected) {
    const { causes = [], remedy } = engines[expected]
    const why = causes.length > 0 ? `: ${causes.join('; ')}` : ''
    const repair = remedy === undefined ? '' : `. To repair it: ${remedy}`
    problems.push(`engine 'auto' comes to '${engine}', and '${expected}' is expected${why}${repair}`)
  }
  const addon = addonOf()
  const redisClient = addon && tryRedisClient()
  if (redisClient?.ok === false) {
    problems.push(`the client of Redis: ${redisClient.causes?.join('; ')}. To repair it: ${redisClient.remedy}`)
  }
  const decisionNs: Record<string, number> = {}
  for (const call of engine === null ? [] : Object.keys(CALLS)) {
    const loop = loopOf(call, engine!)
    if (loop) decisionNs[call] = Math.round(fastestNs(loop, MEASURE_MS))
  }
  const redis = options.redis === undefined ? undefined : await rightsOn(options.redis)
  for (const { name, ok, cause } of redis ?? []) if (!ok) problems.push(`Redis: can't ${name}: ${cause}`)
  const { schema = 'atrion', table = 'state' } = options
  const postgres =
    options.postgres === undefined ? undefined : await examinePostgres(options.postgres, { schema, table })
  for (const { name, ok, cause } of postgres?.rights ?? []) {
    if (!ok) problems.push(`PostgreSQL: can't ${name}: ${cause}`)
  }
  return {
    ok: problems.length === 0,
    problems,
    engine,
    expected,
    engines,
    version: VERSION,
    addon,
    redisClient,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    libc: libcText(),
    cpu: cpuOf(),
    instructionSet: engine && INSTRUCTIONS[engine](),
    decisionNs,
    acceptQueue: await canReadAcceptQueue(),
    watchdog: canWatchLoop(),
    machine: await canShareMachine(),
    limits: limitsOf(),
    ...(redis && { redis }),
    ...(postgres && { postgres }),
  }
}

const GIB = 2 ** 30

function linesOf(report: Report): string[] {
  const { addon, redisClient, cpu, limits, acceptQueue, watchdog, machine } = report
  const rows: [string, string][] = [['engine', report.engine ?? 'none']]
  for (const kind of ENGINES) {
    const { ok, causes = [], remedy } = report.engines[kind]
    if (ok) continue
    for (const cause of causes) rows.push([`not ${kind}`, cause])
    if (remedy !== undefined) rows.push(['', `to repair it: ${remedy}`])
  }
  rows.push(
    ['atrion', report.version],
    ['addon', addon ? `${addon.version}, ${addon.path}` : 'none'],
    ...(redisClient
      ? [['redis client', redisClient.ok ? 'loads' : `${redisClient.causes?.join('; ')}`] as [string, string]]
      : []),
    ['node', report.node],
    ['platform', [report.platform, report.arch, report.libc].filter(Boolean).join(', ')],
    ['cpu', `${cpu.model}, ${cpu.cores} cores`],
    ['cpu features', cpu.features.join(' ') || 'unknown'],
    ['instruction set', report.instructionSet ?? 'none'],
    ...Object.entries(report.decisionNs).map(([call, ns]): [string, string] => [call, `${ns} ns`]),
    ['accept queue', acceptQueue.ok ? 'can be read' : `can't be read: ${acceptQueue.cause}`],
    ['watchdog', watchdog.ok ? 'watches the event loop' : `none: ${watchdog.cause}`],
    ["scope 'machine'", machine.ok ? 'processes can share state' : `not here: ${machine.cause}`],
    ['memory limit', limits.memoryBytes === undefined ? 'none found' : `${(limits.memoryBytes / GIB).toFixed(2)} GiB`],
    ['cpu limit', limits.cpus === undefined ? 'none found' : `${limits.cpus} cores`],
  )
  for (const { name, ok, cause } of report.redis ?? []) rows.push([`redis: ${name}`, ok ? 'yes' : `no: ${cause}`])
  if (report.postgres) rows.push(...postgresRows(report.postgres))
  const width = Math.max(...rows.map(([name]) => name.length)) + 2
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}${value}`),
    '',
    ...(report.ok ? ['Nothing is missing.'] : report.problems.map((problem) => `MISSING  ${problem}`)),
  ]
}

function engineNamed(value: string): EngineKind {
  if (ENGINES.includes(value as EngineKind)) return value as EngineKind
  throw new UsageError(`--expect must be ${ENGINES.join(', ')}, got '${value}'`)
}

function redisUrl(value: string): string {
  if (/^rediss?:\/\/|^unix:|^redis\+unix:/.test(value)) return value
  throw new UsageError('--redis must be a URL that begins with redis:// or rediss://')
}

function postgresUrl(value: string): string {
  if (/^postgres(?:ql)?:\/\//.test(value)) return value
  throw new UsageError('--postgres must be a URL that begins with postgres:// or postgresql://')
}

const nameIn =
  (option: string, maxBytes: number) =>
  (value: string): string => {
    try {
      return nameOf(option, value, maxBytes)
    } catch (error) {
      throw new UsageError((error as Error).message.replace(/a string$/, `'${value}'`))
    }
  }

export const doctor = {
  summary: 'prints which engine runs here, and what is missing',
  help: HELP,
  async run(args: readonly string[]): Promise<number> {
    const { json, ...options } = parse<Required<Options> & { json: true }>(args, {
      json: true,
      expect: engineNamed,
      redis: redisUrl,
      postgres: postgresUrl,
      schema: nameIn('--schema', 63),
      table: nameIn('--table', 40),
    })
    if (options.postgres === undefined && (options.schema ?? options.table) !== undefined) {
      throw new UsageError('--schema and --table need --postgres')
    }
    const report = await examine(options)
    console.log(json ? JSON.stringify(report, null, 2) : linesOf(report).join('\n'))
    return report.ok ? 0 : 1
  },
}
