/** The requests of an access log, and plants that are fitted to its answers. */

import type { RouteProfileOptions } from '../options/options.js'
import { resolveParams } from '../options/resolve.js'
import type { RouteParams } from '../options/route-params.js'
import type { Arrivals } from '../simulation/arrivals.js'
import { EventHeap } from '../simulation/event-heap.js'
import { stream } from '../simulation/random.js'
import { formatOf, type LogFormat, LogReader, routeOf } from './access-log.js'
import { RecordingError, type Source } from './blocks.js'
import { foreignOf } from './foreign.js'
import { type Fit, Observed, type Requests } from './trace.js'

const MOST_REQUESTS = 2_000_000
const MOST_ROUTES = 4_096
const OTHER_ROUTES = 'other routes'
/** Lines that a format is found by. */
const LOOK_AT = 50
const PIECE = 2 ** 20
/** A line beyond this is skipped, bytes. */
const LONGEST_LINE = 2 ** 17
const SHOWN = 100
/** Bytes within which a log shows what it is. */
const LOOK_AT_BYTES = 2 ** 26
/** Longest name of a client that is kept, characters. */
const LONGEST_CLIENT = 64
const UNKNOWN =
  'the file is neither a recording of Atrion nor an access log of nginx, Apache, Envoy or pino (combined with $request_time or %D, Envoy’s default, JSON of Fastify or pino-http)'

interface Request {
  readonly atMs: number
  readonly route: string
  readonly key: string | undefined
  readonly tookMs: number
  readonly ok: boolean
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A copy of a client's name: what is cut from a piece of the file would hold all of it in memory. */
const clientOf = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : decoder.decode(encoder.encode(text.slice(0, LONGEST_CLIENT)))

/** The lines of a source, in pieces. */
export function* linesOf(source: Source): Generator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for (let at = 0; at < source.length; at += PIECE) {
    const piece = source.read(at, Math.min(PIECE, source.length - at))
    const parts = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = parts.pop()!
    // A line without an end must not become the whole file.
    if (rest.length > LONGEST_LINE) rest = rest.slice(0, LONGEST_LINE)
    for (const line of parts) yield line.replace(/\r$/, '')
  }
  if (rest !== '') yield rest
}

export class LogTrace implements Requests {
  readonly format: LogFormat
  readonly params: RouteParams = resolveParams({})
  readonly given: ReadonlyMap<string, RouteProfileOptions> = new Map()
  lines = 0
  /** Lines that are none of the format, and the first of them. */
  unread = 0
  firstUnread: string | undefined
  leftOut = 0
  good = 0
  /** Requests of which the log has no latency. */
  untimed = 0
  readonly #requests: Request[] = []
  readonly #routes = new Map<string, Observed>()

  /** @throws RecordingError for lines of no format that is known */
  constructor(source: Source, wanted: LogFormat | undefined) {
    const format = wanted ?? this.#find(source)
    this.format = format
    const reader = new LogReader(format)
    const spread = stream('within the grain of the log')
    for (const line of linesOf(source)) {
      if (line === '') continue
      this.lines += 1
      const request = reader.read(line)
      if (request === null) continue
      if (request === undefined) {
        this.unread += 1
        this.firstUnread ??= `line ${this.lines}: ${line.slice(0, SHOWN)}`
        continue
      }
      if (this.#requests.length >= MOST_REQUESTS) {
        this.leftOut += 1
        continue
      }
      const { tookMs, status, client, method, path } = request
      if (Number.isNaN(tookMs)) this.untimed += 1
      this.#requests.push({
        atMs: request.atMs + spread() * request.grainMs,
        route: this.#routeOf(method, path),
        key: clientOf(client),
        tookMs,
        ok: status < 500 && status > 0,
      })
    }
    if (this.#requests.length === 0) {
      const foreign = foreignOf(source)
      if (wanted === undefined || foreign !== undefined) throw new RecordingError(foreign ?? UNKNOWN)
      throw new RecordingError(
        `no line of the log is of format ${format}${this.firstUnread === undefined ? '' : `; ${this.firstUnread}`}`,
      )
    }
    this.#requests.sort((a, b) => a.atMs - b.atMs)
    this.#observe()
  }

  #find(source: Source): LogFormat {
    const some: string[] = []
    const head: Source = {
      length: Math.min(source.length, LOOK_AT_BYTES),
      read: (at, length) => source.read(at, length),
    }
    for (const line of linesOf(head)) {
      if (line !== '') some.push(line)
      if (some.length >= LOOK_AT) break
    }
    const format = formatOf(some)
    if (format !== undefined) return format
    throw new RecordingError(foreignOf(source) ?? UNKNOWN)
  }

  #routeOf(method: string, path: string): string {
    const name = routeOf(method, path)
    if (this.#routes.has(name)) return name
    const kept = this.#routes.size < MOST_ROUTES ? name : OTHER_ROUTES
    if (!this.#routes.has(kept)) this.#routes.set(kept, new Observed(kept))
    return kept
  }

  /** Goes through the requests in order of time, to know how many were in flight. */
  #observe(): void {
    const ends = new EventHeap<() => void>()
    for (const { atMs, route, tookMs, ok } of this.#requests) {
      while (ends.nextMs <= atMs) ends.pop()()
      if (Number.isNaN(tookMs)) continue
      const observed = this.#routes.get(route)!
      const inFlight = observed.admitted()
      ends.push(atMs + tookMs, () => {
        observed.inFlight -= 1
        observed.answered(atMs + tookMs, tookMs, inFlight, ok)
        if (ok && tookMs <= this.deadlineOf()) this.good += 1
      })
    }
    while (ends.size > 0) ends.pop()()
  }

  deadlineOf(): number {
    return this.params.slo.maxAcceptableLatencyMs
  }

  get size(): number {
    return this.#requests.length
  }

  get routes(): number {
    return this.#routes.size
  }

  get spanMs(): number {
    return this.#requests.at(-1)!.atMs - this.#requests[0]!.atMs
  }

  arrivals(): Arrivals {
    let next = 0
    const first = this.#requests[0]!.atMs
    return () => {
      const request = this.#requests[next++]
      return request && { atMs: request.atMs - first, route: request.route, tier: 'normal', key: request.key }
    }
  }

  fits(): Fit[] {
    return [...this.#routes.values()].map((one) => one.fit()).filter((fit) => fit !== undefined)
  }
}
