/** The control room: answers each request to Studio, and holds what samples, records and streams. */

import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import { type Access, type Grant, isRefusal } from './access.js'
import { ActionError, Actions } from './actions.js'
import { Board, queryOf } from './board.js'
import { documentOf } from './document.js'
import { BodyError, type StudioAnswer, type StudioRequest } from './exchange.js'
import { plain } from './journal.js'
import type { Action, AuditEntry, Hello } from './protocol.js'
import { Sampler } from './sampler.js'
import { Sections } from './sections.js'
import { Streams } from './stream.js'

export interface RoomOptions {
  readonly base: string
  /** Leaves a path unguarded. @returns a function that takes it back */
  readonly exempt: (path: string) => () => void
  readonly token: string
  /** Origins that may frame the page, and 'self'. */
  readonly frameAncestors: readonly string[]
  readonly maxViewers: number
  readonly historyRoutes: number
  readonly onAction: ((entry: AuditEntry) => void) | undefined
}

/** Paths behind that of Studio. */
export const PATHS = ['', '/', '/events', '/history', '/act', '/preview']
/** A path that may stand in the page. */
const PLAIN_PATH = /^[\w./~%-]+$/
/** Paths that Studio was found to be mounted at besides its own. */
const MOST_MOUNTS = 4
const MOST_MINUTES = 60
/** Histories that viewers share until there is more. */
const MOST_HISTORIES = 32
const JSON_TYPE = 'application/json; charset=utf-8'

/** Headers of every answer. */
const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
}
/** The policy of what is no page. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'"

const hexOf = (bytes: number): string =>
  [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const policyOf = (nonce: string, ancestors: string): string =>
  [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${ancestors}`,
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')

const answerOf = (status: number, type: string, body: string, more: Record<string, string> = {}): StudioAnswer => ({
  status,
  headers: { ...SAFE_HEADERS, 'content-security-policy': NOTHING, 'content-type': type, ...more },
  body,
})
const textOf = (status: number, text: string, more?: Record<string, string>): StudioAnswer =>
  answerOf(status, 'text/plain; charset=utf-8', `${text}\n`, more)
const jsonOf = (status: number, value: unknown): StudioAnswer => answerOf(status, JSON_TYPE, JSON.stringify(value))

export class Room {
  readonly #access: Access
  readonly #options: RoomOptions
  readonly #sampler: Sampler
  readonly #board: Board
  readonly #actions: Actions
  readonly #sections: Sections
  readonly #streams: Streams
  readonly #instance = hexOf(4)
  readonly #startedAt = Date.now()
  readonly #histories = new Map<string, { readonly version: number; readonly json: string }>()
  readonly #exempted = new Map<string, (() => void)[]>()
  #isClosed = false

  constructor(atrion: Atrion, port: TelemetryPort, access: Access, options: RoomOptions) {
    this.#access = access
    this.#options = options
    this.#exempt(options.base)
    this.#sampler = new Sampler(atrion, port, options.historyRoutes)
    this.#board = new Board(this.#sampler)
    const { journal, settings } = this.#sampler
    this.#actions = new Actions(atrion, port, journal, settings, options.onAction)
    this.#sections = new Sections(this.#sampler, this.#board, this.#actions)
    this.#streams = new Streams(this.#instance, options.maxViewers, (query) => this.#sections.of(query))
    this.#streams.onCount = (clients) => {
      this.#sampler.viewers = clients
    }
    this.#sampler.onSample = () => {
      if (this.#streams.clients > 0) this.#sections.update()
      this.#streams.update()
    }
  }

  /** Begins to record. */
  record(): void {
    if (!this.#isClosed) this.#sampler.start()
  }

  annotate(text: string): void {
    this.#sampler.journal.note({ at: Date.now(), kind: 'note', text: plain(text, 280) })
  }

  close(): void {
    this.#isClosed = true
    for (const ends of this.#exempted.values()) for (const end of ends) end()
    this.#exempted.clear()
    this.#streams.close()
    this.#sampler.stop()
    this.#actions.close()
  }

  /** Answers a request. Never rejects but for a fault of its own. */
  async answer(request: StudioRequest): Promise<StudioAnswer> {
    if (this.#isClosed || !PATHS.includes(request.path)) return textOf(404, 'Not found')
    const isChange = request.path === '/act' || request.path === '/preview'
    const isGet = request.method === 'GET' || request.method === 'HEAD'
    const isPage = request.path === '' || request.path === '/'
    const grant = await this.#access.decide(request, isPage)
    if (isRefusal(grant)) return textOf(grant.status, grant.text)
    if (isChange ? request.method !== 'POST' : !isGet) {
      return textOf(405, isChange ? 'POST' : 'GET or HEAD', { allow: isChange ? 'POST' : 'GET, HEAD' })
    }
    this.#exempt(request.base)
    if (isPage) return this.#page(request.base)
    if (isChange) return this.#change(request, grant)
    if (request.path === '/events') return this.#events(request, grant)
    return this.#history(request)
  }

  /** Leaves the paths of a place unguarded where Studio is mounted, once a request there was granted. */
  #exempt(base: string): void {
    if (this.#exempted.has(base) || this.#exempted.size > MOST_MOUNTS) return
    this.#exempted.set(
      base,
      PATHS.map((path) => this.#options.exempt(`${base}${path}`)),
    )
  }

  #page(base: string): StudioAnswer {
    const nonce = hexOf(16)
    const ancestors = this.#options.frameAncestors.map((one) => (/^self$/i.test(one) ? "'self'" : one)).join(' ')
    const body = documentOf(PLAIN_PATH.test(base) ? base : this.#options.base, nonce)
    const answer = answerOf(200, 'text/html; charset=utf-8', body, {
      'content-security-policy': policyOf(nonce, ancestors === '' ? "'none'" : ancestors),
    })
    if (ancestors === '') return answer
    // The older header knows no origins, and the policy is what browsers go by.
    const { 'x-frame-options': _, ...headers } = answer.headers
    return { ...answer, headers }
  }

  #events(request: StudioRequest, grant: Grant): StudioAnswer {
    if (this.#streams.isFull) return textOf(503, 'Too many viewers', { 'retry-after': '5' })
    const query = queryOf(request.query)
    const hello: Hello = {
      instance: this.#instance,
      role: grant.role,
      name: grant.name,
      token: grant.role === 'write' ? this.#options.token : null,
      startedAt: this.#startedAt,
    }
    const headers = { ...SAFE_HEADERS, 'content-security-policy': NOTHING }
    return {
      status: 200,
      headers: {
        ...headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
      },
      stream: (sink) => {
        this.#sampler.start()
        if (this.#streams.clients === 0) this.#sampler.sampleNow()
        this.#sections.update()
        return this.#streams.open(sink, query, hello, request.header('last-event-id'))
      },
    }
  }

  #history(request: StudioRequest): StudioAnswer {
    const minutes = Number(request.query.get('minutes') ?? 5)
    if (!(minutes > 0 && minutes <= MOST_MINUTES)) return textOf(400, `minutes: above 0 to ${MOST_MINUTES}`)
    const key = request.query.get('route')
    const routeId = key === null ? undefined : this.#routeOf(key)
    if (key !== null && routeId === undefined) return textOf(404, 'There is no such route')
    const { archive } = this.#sampler
    const name = `${minutes} ${key}`
    const known = this.#histories.get(name)
    if (known?.version === archive.version) return answerOf(200, JSON_TYPE, known.json)
    const json = JSON.stringify(archive.history(Date.now(), minutes, routeId))
    if (this.#histories.size >= MOST_HISTORIES) this.#histories.clear()
    this.#histories.set(name, { version: archive.version, json })
    return answerOf(200, JSON_TYPE, json)
  }

  readonly #routeOf = (key: string): string | undefined => {
    const at = this.#board.find(key)
    return at === undefined ? undefined : this.#sampler.metrics?.routes[at]
  }

  async #change(request: StudioRequest, grant: Grant): Promise<StudioAnswer> {
    const forbidden = this.#access.forbids(request, grant)
    if (forbidden !== undefined) return jsonOf(forbidden.status, { error: forbidden.text })
    try {
      const body = await request.json()
      if (typeof body !== 'object' || body === null) throw new BodyError('the body is not an object')
      this.#sampler.start()
      if (request.path === '/preview') {
        const { key, changes } = body as { key?: unknown; changes?: unknown }
        return jsonOf(200, this.#actions.preview(typeof key === 'string' ? key : null, changes, this.#routeOf))
      }
      const entry = this.#actions.act(body as Action, grant.name, this.#routeOf)
      this.#sampler.sampleNow()
      return jsonOf(200, { entry })
    } catch (error) {
      const isKnown = error instanceof ActionError || error instanceof BodyError || error instanceof ConfigError
      return jsonOf(400, { error: isKnown ? error.message : 'That cannot be done.' })
    }
  }
}
