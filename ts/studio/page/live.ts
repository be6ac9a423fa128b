/** The connection to the server: the stream of the state, histories, and changes. */

import type { Action, AuditEntry, Hello, History } from '../protocol.js'

/** The state as the server sends it: sections by name. */
export type State = Record<string, unknown>

const AGAIN_MS = 3_000
/** A stream is lost that has been silent for so long, ms. */
const SILENT_MS = 40_000

export interface Listener {
  hello(hello: Hello): void
  /** Sections have changed. @param names those that have */
  changed(names: readonly string[]): void
  link(state: 'live' | 'lost', text: string): void
}

export class Live {
  readonly base: string
  state: State = {}
  hello: Hello | undefined
  readonly #listener: Listener
  #source: EventSource | undefined
  #query = ''
  #again: ReturnType<typeof setTimeout> | undefined
  #silent: ReturnType<typeof setTimeout> | undefined

  constructor(base: string, listener: Listener) {
    this.base = base
    this.#listener = listener
  }

  /** Looks at a part of the board. @param query parameters of the URL */
  open(query: string): void {
    this.#query = query
    this.#connect()
  }

  #connect(): void {
    clearTimeout(this.#again)
    this.#source?.close()
    const source = new EventSource(`${this.base}/events?${this.#query}`)
    this.#source = source
    source.addEventListener('hello', (event) => {
      this.hello = JSON.parse(event.data) as Hello
      this.#alive()
      this.#listener.hello(this.hello)
    })
    source.addEventListener('snapshot', (event) => this.#take(event.data, true))
    source.addEventListener('delta', (event) => this.#take(event.data, false))
    source.onerror = () => {
      if (source !== this.#source) return
      this.#listener.link('lost', 'connection lost: trying again')
      if (source.readyState === EventSource.CLOSED) this.#later()
    }
  }

  #take(data: string, isWhole: boolean): void {
    const sections = JSON.parse(data) as State
    this.state = isWhole ? sections : { ...this.state, ...sections }
    const rows = new Set((this.state.list as { keys: string[] } | undefined)?.keys)
    const detail = (this.state.detail as { key?: string } | undefined)?.key
    for (const name of Object.keys(this.state)) {
      if (name.startsWith('row.') && !rows.has(name.slice(4)) && name.slice(4) !== detail) delete this.state[name]
    }
    this.#alive()
    this.#listener.link('live', 'live')
    this.#listener.changed(Object.keys(sections))
  }

  #alive(): void {
    clearTimeout(this.#silent)
    this.#silent = setTimeout(() => {
      this.#listener.link('lost', 'no news: connecting again')
      this.#connect()
    }, SILENT_MS)
  }

  #later(): void {
    clearTimeout(this.#again)
    // The text of a refusal is kept from a stream; an ordinary request gets it.
    fetch(`${this.base}/history?minutes=1`)
      .then(async (answer) => {
        if (!answer.ok) this.#listener.link('lost', (await answer.text()).slice(0, 120))
      })
      .catch(() => {})
    this.#again = setTimeout(() => this.#connect(), AGAIN_MS)
  }

  async history(minutes: number, key?: string): Promise<History | undefined> {
    const route = key === undefined ? '' : `&route=${encodeURIComponent(key)}`
    try {
      const answer = await fetch(`${this.base}/history?minutes=${minutes}${route}`)
      return answer.ok ? ((await answer.json()) as History) : undefined
    } catch {
      return undefined
    }
  }

  /** Asks for a change. @throws Error that says what is wrong */
  act(action: Action): Promise<{ readonly entry: AuditEntry }> {
    return this.#post('/act', action) as Promise<{ readonly entry: AuditEntry }>
  }

  preview(key: string | null, changes: Readonly<Record<string, number>>): Promise<{ readonly differences: string[] }> {
    return this.#post('/preview', { key, changes }) as Promise<{ readonly differences: string[] }>
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const answer = await fetch(this.base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-atrion-token': this.hello?.token ?? '' },
      body: JSON.stringify(body),
    })
    const result = (await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }))) as { error?: string }
    if (!answer.ok) throw new Error(result.error ?? `HTTP ${answer.status}`)
    return result
  }
}
