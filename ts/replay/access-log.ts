/** Access logs of other tools as requests: nginx, Apache, Envoy, and pino as Fastify and pino-http write it. */

export type LogFormat = 'nginx' | 'apache' | 'envoy' | 'pino'
export const LOG_FORMATS: readonly LogFormat[] = ['nginx', 'apache', 'envoy', 'pino']

/** A line of a log. */
export interface LoggedRequest {
  /** The time at which it came, ms since 1970. */
  readonly atMs: number
  /** The grain that the log has that time in, ms. */
  readonly grainMs: number
  readonly method: string
  readonly path: string
  readonly status: number
  /** NaN where the log does not say. */
  readonly tookMs: number
  readonly client: string | undefined
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const COMBINED =
  /^(\S+) (\S+) .*?\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})? ([+-])(\d{2})(\d{2})\] "([A-Z][A-Z-]*) ((?:[^\s"\\]|\\\S)+)(?: (?:[^"\\]|\\.)*)?" (\d{3}) \S+(.*)$/
const ENVOY =
  /^\[(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))\] "([A-Z][A-Z-]*) ((?:[^\s"\\]|\\\S)+)(?: (?:[^"\\]|\\.)*)?" (\d{1,3}) \S+(?: \S+){0,2}? (?:"[^"]*" )?(\d+) (\d+) (\d+|-) (?:\d+|-) "([^"]*)"/
/** A line beyond this is none of a log, characters. */
const LONGEST_LINE = 65_536
/** Requests of Fastify that have come and not ended, and their characters in all. */
const MOST_OPEN = 100_000
const MOST_OPEN_CHARACTERS = 2 ** 26
/** No request takes longer, ms: a day. */
const LONGEST_TOOK_MS = 86_400_000
/** Times of logs, ms: from 1970 to 2100. */
const LATEST_MS = Date.UTC(2100)
/** Characters at a line's end that a time may have. */
const TAIL = 48

/** The end of a text without spaces: what comes before it is looked at by no pattern, which a line made for that would slow down. */
function tailOf(text: string): string {
  const whole = text.trimEnd()
  return whole.length > TAIL ? `…${whole.slice(-TAIL)}` : whole
}

/** The referer and the user agent of a combined line, which their client makes up. */
const OF_CLIENT = /^ "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"/
/** The seconds that nginx writes, with a point and three digits; where several have one, those of the request come first. */
const SECONDS = /(?:^|[ =])"?(\d{1,9}\.\d{3})"?(?= |$)/
const NAMED_SECONDS = /(?:^| )(?:rt|request_time)="?(\d{1,9}\.\d{1,9})"?(?= |$)/
/** Apache's microseconds at the end: `%D`, also behind the seconds as in `%T/%D`. */
const AT_END = /(?:^|[ =]|[ *]\d{1,9}\/)"?(\d+(\.\d+)?)"?\**$/

/** The rest of a line without quoted texts, except for those that are numbers. */
// A quoted text without an end is one, too: looked for from each of its quotation marks, it would take the square of its length.
const plainOf = (rest: string): string =>
  rest.replace(/"(?:[^"\\]|\\.|\\$)*(?:"|$)/g, (quoted) => (/^"\d/.test(quoted) ? quoted : '""'))

/** The seconds in the rest of a line of nginx, as text; undefined: there are none. */
function secondsIn(rest: string): string | undefined {
  const own = plainOf(rest.replace(OF_CLIENT, ''))
  return (NAMED_SECONDS.exec(own) ?? SECONDS.exec(own) ?? SECONDS.exec(plainOf(rest)))?.[1]
}

/** The seconds or microseconds in the rest of a combined line, ms. */
function tookOf(rest: string, format: LogFormat): number {
  const seconds = format === 'nginx' ? secondsIn(rest) : undefined
  if (seconds !== undefined) return Number(seconds) * 1000
  const last = AT_END.exec(tailOf(plainOf(rest)))
  if (last === null) return Number.NaN
  const value = Number(last[1])
  // nginx writes s with a point, Apache's %D whole µs.
  return format === 'nginx' || last[2] !== undefined ? value * 1000 : value / 1000
}

function combined(line: string, format: LogFormat): LoggedRequest | undefined {
  const found = COMBINED.exec(line)
  if (found === null) return undefined
  const [
    ,
    first,
    next,
    day,
    month,
    year,
    hour,
    minute,
    second,
    sign,
    offsetHours,
    offsetMinutes,
    method,
    path,
    status,
    rest,
  ] = found as unknown as string[]
  const at = MONTHS.indexOf(month!)
  if (at < 0 || at % 3 !== 0) return undefined
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  const utc = Date.UTC(Number(year), at / 3, Number(day), Number(hour), Number(minute), Number(second))
  if (new Date(Date.UTC(Number(year), at / 3, Number(day))).getUTCDate() !== Number(day)) return undefined
  // Apache's vhost_combined has the host and its port before the client.
  const client = /^[\w.-]+:\d{1,5}$/.test(first!) && next !== '-' ? next : first
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000
  const loggedMs = sign === '-' ? utc + offsetMs : utc - offsetMs
  const tookMs = tookOf(rest!, format)
  // nginx logs a request when it ends, Apache has the time at which it came.
  const atMs = format === 'nginx' && !Number.isNaN(tookMs) ? loggedMs - tookMs : loggedMs
  return { atMs, grainMs: 1000, method: method!, path: path!, status: Number(status), tookMs, client }
}

function envoy(line: string): LoggedRequest | undefined {
  const found = ENVOY.exec(line)
  if (found === null) return undefined
  const [, at, method, path, status, , , took, client] = found as unknown as string[]
  const atMs = Date.parse(at!)
  if (Number.isNaN(atMs)) return undefined
  const tookMs = took === '-' ? Number.NaN : Number(took)
  return { atMs, grainMs: 1, method: method!, path: path!, status: Number(status), tookMs, client }
}

/** A request whose times can be: else it is none of a log, or the log does not say how long it took. */
function plausible(request: LoggedRequest | null | undefined): LoggedRequest | null | undefined {
  if (!request) return request
  const { atMs, tookMs } = request
  const couldTake = tookMs >= 0 && tookMs <= LONGEST_TOOK_MS
  const begun = couldTake || Number.isNaN(tookMs) ? atMs : Number.NaN
  if (!(begun >= 0 && begun < LATEST_MS)) return undefined
  return couldTake ? request : { ...request, tookMs: Number.NaN }
}

interface PinoLine {
  readonly time?: unknown
  readonly timestamp?: unknown
  readonly reqId?: unknown
  readonly responseTime?: unknown
  readonly req?: {
    readonly method?: unknown
    readonly url?: unknown
    readonly remoteAddress?: unknown
    readonly id?: unknown
  }
  readonly res?: { readonly statusCode?: unknown }
}

/** Parses lines of one format. Fastify has a line for the beginning of a request and one for its end. */
export class LogReader {
  readonly format: LogFormat
  readonly #open = new Map<unknown, PinoLine['req']>()
  #openCharacters = 0

  constructor(format: LogFormat) {
    this.format = format
  }

  /** The request that a line ends; undefined of a line that is none, null of one that is the beginning or about something else. */
  read(line: string): LoggedRequest | null | undefined {
    if (line.length > LONGEST_LINE) return undefined
    if (this.format === 'envoy') return plausible(envoy(line))
    return plausible(this.format === 'pino' ? this.#pino(line) : combined(line, this.format))
  }

  /** A request has come: its end is to be found by its id. */
  #begin(id: unknown, given: PinoLine['req']): void {
    if (typeof given !== 'object' || given === null || (typeof id !== 'string' && typeof id !== 'number')) return
    // Of anything but text the characters are not counted.
    const req = { method: textOf(given.method), url: textOf(given.url), remoteAddress: textOf(given.remoteAddress) }
    const characters = charactersOf(id, req)
    if (this.#open.size >= MOST_OPEN || this.#openCharacters + characters > MOST_OPEN_CHARACTERS) return
    if (this.#open.has(id)) this.#openCharacters -= charactersOf(id, this.#open.get(id))
    this.#openCharacters += characters
    this.#open.set(id, req)
  }

  #pino(line: string): LoggedRequest | null | undefined {
    let parsed: PinoLine
    try {
      parsed = JSON.parse(line) as PinoLine
    } catch {
      return undefined
    }
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { reqId, res, responseTime } = parsed
    const timeMs = timeOf(parsed.time ?? parsed.timestamp)
    if (res === undefined || res === null) {
      this.#begin(reqId, parsed.req)
      return null
    }
    const known = this.#open.get(reqId)
    if (this.#open.delete(reqId)) this.#openCharacters -= charactersOf(reqId, known)
    const began = parsed.req ?? known
    const { method, url, remoteAddress } = began ?? {}
    if (typeof method !== 'string' || typeof url !== 'string' || !Number.isFinite(timeMs)) return null
    const tookMs = Number(typeof responseTime === 'string' ? responseTime || Number.NaN : (responseTime ?? Number.NaN))
    return {
      atMs: timeMs - (Number.isNaN(tookMs) ? 0 : tookMs),
      grainMs: 1,
      method,
      path: url,
      status: Number(res.statusCode),
      tookMs,
      client: typeof remoteAddress === 'string' ? remoteAddress : undefined,
    }
  }
}

/** A number below this is a time in seconds: as ms it would be of 1973. */
const LATEST_SECONDS = 1e11

/** A time of pino's, ms since 1970: a text, ms, or the seconds of `unixTime`. */
function timeOf(time: unknown): number {
  if (typeof time === 'string') return Date.parse(time)
  return typeof time === 'number' && time < LATEST_SECONDS ? time * 1000 : Number(time)
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const lengthOf = (value: unknown): number => (typeof value === 'string' ? value.length : 0)

const charactersOf = (id: unknown, req: PinoLine['req']): number =>
  lengthOf(id) + lengthOf(req?.method) + lengthOf(req?.url) + lengthOf(req?.remoteAddress)

/** The format of lines; undefined of none that is known. */
export function formatOf(lines: readonly string[]): LogFormat | undefined {
  for (const line of lines) {
    if (line.length > LONGEST_LINE) continue
    if (line.startsWith('{')) return 'pino'
    if (ENVOY.test(line)) return 'envoy'
    const found = COMBINED.exec(line)
    if (found === null) continue
    const rest = found[15]!
    if (secondsIn(rest) !== undefined) return 'nginx'
    const tail = tailOf(plainOf(rest))
    const last = AT_END.exec(tail)
    return last !== null && last[2] === undefined && !tail.endsWith('"') ? 'apache' : 'nginx'
  }
  return undefined
}

const PARTS = [
  /^\d+$/,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^(?=.*\d)[0-9a-f]{8,}$/i,
  /@/,
  /^(?=.*\d)[\w-]{20,}$/,
]

/** The route of a path: without its query, and `:id` for each part that looks like data. */
export function routeOf(method: string, path: string): string {
  const [plain = ''] = path.replace(/^https?:\/\/[^/]*/, '').split(/[?#]/, 1)
  const parts = plain
    .split('/')
    .map((part) => (PARTS.some((pattern) => pattern.test(part)) ? ':id' : part.slice(0, 60)))
    .slice(0, 12)
  return `${method} ${parts.join('/') || '/'}`
}
