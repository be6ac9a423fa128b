/**
 * The user's client of PostgreSQL, whichever package made it, as one function that gives rows of text. Nothing of it is closed here.
 *
 * Parameters are text and results are text: so no driver's mapping of types matters, and no statement needs a name, which PgBouncer in
 * transaction mode has no place for. A statement that does not settle is given up after a time, and of these only a few hold
 * a connection of the user's pool at once.
 */

import { ConfigError } from '../../base/errors.js'
import { noticeEnd } from '../../base/host-calls.js'
import { later } from '../../base/later.js'
import { own } from '../../base/own.js'
import { printable, Withheld } from '../../base/text.js'
import { afterHost, within } from '../../base/within.js'

/** A client or a pool of `pg`, PGlite, or any other that has `query()`; of postgres.js, which has `unsafe()`. */
export type PostgresClientLike =
  | { query(text: string, values?: never[]): PromiseLike<unknown> }
  | { unsafe(text: string, values?: never[]): PromiseLike<unknown> }

export type Row = Readonly<Record<string, string | null>>

/** Statements of a pool that were given up and still hold a connection, at most … */
const MOST_ABANDONED = 3
/** … of which one is no longer counted after so long, ms: a connection that was cut without notice never settles. */
const FORGOTTEN_MS = 60_000
/** Statements of a pool under way at once: the rest is its owner's. Others wait, so many of them. */
const MOST_AT_ONCE = 4
const MOST_WAITING = 65_536
/** The end of listening is waited for no longer, ms. */
const LONGEST_END_MS = 2000
/** Longest text of a driver's error that is kept, characters. */
const MESSAGE_LENGTH = 300

type Driver = Record<string, (...given: unknown[]) => unknown>

/** The statements of a client: how many may run, which wait for their turn, and which were given up. */
class Turns {
  readonly abandoned = new Set<object>()
  readonly waiting: (() => void)[] = []
  running = 0

  constructor(
    readonly most: number,
    readonly mostAbandoned: number,
  ) {}
}

/** A connection of `pg` runs one statement at a time, whichever provider or adapter it is of: a later one would wait within the driver, untimed. */
const turnsOfConnections = new WeakMap<object, Turns>()

function turnsOf(driver: Driver, isConnection: boolean): Turns {
  if (!isConnection) return new Turns(MOST_AT_ONCE, MOST_ABANDONED)
  let turns = turnsOfConnections.get(driver)
  if (turns === undefined) {
    turns = new Turns(1, 1)
    turnsOfConnections.set(driver, turns)
  }
  return turns
}

export class PostgresClient {
  readonly #driver: Driver
  readonly timeoutMs: number
  readonly #isPg: boolean
  /** Every statement is a transaction by itself: it is a pool of `pg` or of postgres.js, and no single connection. */
  readonly isPool: boolean
  readonly #turns: Turns

  /** @throws ConfigError when it has no method for statements */
  constructor(given: unknown, timeoutMs: number) {
    this.#driver = driverOf(given)
    this.timeoutMs = timeoutMs
    // A pool of `pg` ends a connection whose statement has timed out, which it does when the time is given with it.
    this.#isPg = typeof this.#driver.query === 'function' && 'totalCount' in this.#driver && 'idleCount' in this.#driver
    const isPostgresJs =
      typeof own(this.#driver, 'unsafe') === 'function' && typeof own(this.#driver, 'begin') === 'function'
    this.isPool = this.#isPg || isPostgresJs
    this.#turns = turnsOf(this.#driver, !this.isPool && isConnectionOfPg(this.#driver))
  }

  /**
   * Rejects when the statement fails or is not done within `timeoutMs` of its turn.
   *
   * @param keepsAlive true: the process lives until then. Default false.
   */
  async query(text: string, values: readonly string[] = [], keepsAlive = false): Promise<Row[]> {
    const turns = this.#turns
    if (turns.running >= turns.most) {
      if (turns.waiting.length >= MOST_WAITING) throw new Error(`${MOST_WAITING} statements wait already`)
      await new Promise<void>((resolve) => turns.waiting.push(resolve))
    } else turns.running += 1
    try {
      return await this.#query(text, values, keepsAlive)
    } finally {
      const next = turns.waiting.shift()
      if (next === undefined) turns.running -= 1
      else next()
    }
  }

  async #query(text: string, values: readonly string[], keepsAlive: boolean): Promise<Row[]> {
    const { abandoned, mostAbandoned } = this.#turns
    if (abandoned.size >= mostAbandoned) {
      throw new Error(
        `${abandoned.size === 1 ? '1 statement has' : `${abandoned.size} statements have`} not been answered`,
      )
    }
    const work = this.#send(text, [...values])
    let isOver = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const overdue = new Promise<never>((_, reject) => {
      const giveUp = (): void => {
        if (isOver) return
        this.#abandon(work)
        reject(new Error(`no answer within ${this.timeoutMs} ms`))
      }
      // The answer may have come to a process that was busy for so long: it is read in the next turn.
      timer = setTimeout(() => later(() => later(giveUp)), this.timeoutMs)
      if (!keepsAlive) timer.unref?.()
    })
    try {
      return rowsOf(await Promise.race([work, overdue]))
    } catch (error) {
      throw cleanError(error)
    } finally {
      isOver = true
      clearTimeout(timer)
    }
  }

  /**
   * Calls back for each notice of a channel; resolves to what ends that. Rejects where the client cannot listen, or does not in time.
   *
   * @param onLost called when the connection out of a pool that listens is lost: it listens no more
   */
  async listen(channel: string, onNotice: (payload: string) => void, onLost: () => void): Promise<() => Promise<void>> {
    try {
      const listening = listenWith(this.#driver, channel, onNotice, onLost, this)
      // A connection first, and then the statement.
      const end = await this.#settled(() => listening, 2 * this.timeoutMs).catch((error: unknown) => {
        listening.then((late) => late()).catch(() => {})
        throw error
      })
      return () => this.#settled(end, Math.min(this.timeoutMs, LONGEST_END_MS))
    } catch (error) {
      throw cleanError(error)
    }
  }

  #settled<T>(call: () => Promise<T>, limitMs: number): Promise<T> {
    return within(call, limitMs, afterHost, () => new Error(`no answer within ${limitMs} ms`))
  }

  #send(text: string, values: string[]): PromiseLike<unknown> {
    const { unsafe, query } = this.#driver
    try {
      // Without parameters some drivers take more than one statement, and some give the results in another form.
      const given = values.length > 0 ? [text, values] : [text]
      if (unsafe !== undefined) return unsafe.apply(this.#driver, given) as PromiseLike<unknown>
      if (this.#isPg) {
        const config = { text, ...(values.length > 0 && { values }), query_timeout: 2 * this.timeoutMs }
        return query!.call(this.#driver, config) as PromiseLike<unknown>
      }
      return query!.apply(this.#driver, given) as PromiseLike<unknown>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #abandon(work: PromiseLike<unknown>): void {
    const { abandoned } = this.#turns
    abandoned.add(work)
    const timer = setTimeout(() => abandoned.delete(work), FORGOTTEN_MS)
    timer.unref?.()
    const settled = (): void => {
      clearTimeout(timer)
      abandoned.delete(work)
    }
    work.then(settled, settled)
    try {
      // postgres.js can cancel a statement.
      const { cancel } = work as { cancel?: unknown }
      if (typeof cancel === 'function') noticeEnd(cancel.call(work))
    } catch {}
  }
}

/** @throws ConfigError */
function driverOf(given: unknown): Driver {
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  const driver = given as Driver
  if (isObject && typeof own(driver, 'unsafe') === 'function') return driver
  if (isObject && typeof own(driver, 'query') === 'function') return driver
  throw new ConfigError('pool', 'a client of PostgreSQL with a method query(text, values)', new Withheld(given))
}

/** A `Client` of `pg`, its own or one out of a pool. */
const isConnectionOfPg = (driver: Driver): boolean =>
  typeof own(driver, 'query') === 'function' &&
  typeof own(driver, 'connect') === 'function' &&
  'connectionParameters' in driver

/** The rows of whatever the driver gave: an array of them, or an object with one. */
function rowsOf(result: unknown): Row[] {
  if (Array.isArray(result)) return result as Row[]
  const rows = typeof result === 'object' && result !== null ? (result as { rows?: unknown }).rows : undefined
  return Array.isArray(rows) ? (rows as Row[]) : []
}

/** The channel as a name in SQL. */
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

async function listenWith(
  driver: Driver,
  channel: string,
  onNotice: (payload: string) => void,
  onLost: () => void,
  statements: PostgresClient,
) {
  if (typeof own(driver, 'listen') === 'function') {
    // postgres.js gives { unlisten }, PGlite a function.
    const name = typeof own(driver, 'unsafe') === 'function' ? channel : quoted(channel)
    const listening: unknown = await driver.listen!(name, (payload: unknown) => onNotice(String(payload)))
    const stop = typeof listening === 'function' ? listening : (listening as { unlisten?: unknown } | null)?.unlisten
    return async (): Promise<void> => {
      if (typeof stop === 'function') await stop()
    }
  }
  const isPool = typeof own(driver, 'connect') === 'function' && 'totalCount' in driver
  const client = (isPool ? await driver.connect!() : driver) as Driver
  if (typeof client.on !== 'function' || typeof client.off !== 'function') {
    throw new Error('this client has neither listen() nor on(): leave notify out')
  }
  const receive = (notice: { channel?: unknown; payload?: unknown }): void => {
    if (notice?.channel === channel) onNotice(String(notice.payload))
  }
  const send = (text: string): PromiseLike<unknown> =>
    isPool
      ? (client.query!({ text, query_timeout: statements.timeoutMs }) as PromiseLike<unknown>)
      : statements.query(text)
  // A client out of the pool whose connection is lost would end the process; polling goes on without it.
  const ignore = (): void => {}
  let isOver = false
  /** Gives the client back. One that may still listen is closed; of the others the pool notes the errors from here on. */
  const giveBack = (isClean: boolean): void => {
    client.off!('notification', receive)
    if (!isPool) return
    client.off!('end', lose)
    client.release!(!isClean)
    if (isClean) client.off!('error', ignore)
  }
  const lose = (): void => {
    if (isOver) return
    isOver = true
    giveBack(false)
    onLost()
  }
  const end = async (): Promise<void> => {
    if (isOver) return
    isOver = true
    let isClean = false
    try {
      await send(`unlisten ${quoted(channel)}`)
      isClean = true
    } finally {
      giveBack(isClean)
    }
  }
  client.on('notification', receive)
  if (isPool) {
    client.on('error', ignore)
    client.on('end', lose)
  }
  try {
    await send(`listen ${quoted(channel)}`)
  } catch (error) {
    await end().catch(() => {})
    throw error
  }
  return end
}

/** Credentials within a text, as in a URL or a list of settings. */
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)[^\s@/?#]*@/gi
const SETTING = /\b(pass(?:word|wd)?|pwd|secret|token)(\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s;&,]+)/gi

/** An error of a driver by its text and code alone, without what looks like credentials: other fields may hold its settings. */
function cleanError(error: unknown): Error {
  let message = 'the statement failed'
  let code: unknown
  try {
    const given = error as { message?: unknown; code?: unknown; errors?: unknown }
    // Node gathers the errors of several addresses in one without a text.
    const first = Array.isArray(given.errors) ? (given.errors[0] as { message?: unknown } | undefined) : undefined
    message = String(given.message || first?.message || given.code || error)
    code = given.code
  } catch {}
  const clean = printable(message.slice(0, 4 * MESSAGE_LENGTH))
    .replace(URL_CREDENTIALS, '$1…@')
    .replace(SETTING, '$1$2…')
    .slice(0, MESSAGE_LENGTH)
  return Object.assign(new Error(clean), typeof code === 'string' && { code })
}
