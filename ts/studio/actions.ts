/** The actions of operators: orders and dry runs that lapse, settings with a preview, each noted with its author and undone by one call. */

import type { Atrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { nameInLog } from '../base/text.js'
import type { TelemetryPort } from '../limiter/telemetry-port.js'
import type { RouteProfileOptions } from '../options/options.js'
import type { RouteParams } from '../options/route-params.js'
import { type Journal, plain } from './journal.js'
import type { Action, ActiveOrder, AuditEntry } from './protocol.js'
import { differences, numbersOf, ORDER_TEXTS, type Order, type Settings } from './settings.js'

/** The longest that an order or a dry run stands, s. */
const MOST_ORDER_S = 86_400
/** Orders given by Studio that stand at once. */
const MOST_ORDERS = 1_000
const LONGEST_NOTE = 280
const MOST_FIELDS = 32
const MOST_SHOWN = 50
const CHANGED = 'it was changed again since: change it by hand'

/** A change that cannot be made. */
export class ActionError extends Error {}

/** The settings that a change leads to. */
export interface Preview {
  readonly differences: readonly string[]
}

interface Standing {
  readonly order: Order
  readonly untilMs: number
  readonly key: string
  readonly timer: ReturnType<typeof setTimeout>
}

export class Actions {
  readonly #atrion: Atrion
  readonly #port: TelemetryPort
  readonly #journal: Journal
  readonly #settings: Settings
  /** Notes an entry outside of Studio, too. */
  readonly #onAction: ((entry: AuditEntry) => void) | undefined
  readonly #standing = new Map<string, Standing>()
  #dryRun: { readonly untilMs: number; readonly timer: ReturnType<typeof setTimeout> } | undefined

  constructor(
    atrion: Atrion,
    port: TelemetryPort,
    journal: Journal,
    settings: Settings,
    onAction: ((entry: AuditEntry) => void) | undefined,
  ) {
    this.#atrion = atrion
    this.#port = port
    this.#journal = journal
    this.#settings = settings
    this.#onAction = onAction
  }

  /** Orders and dry runs that stand, Studio's own with their ends. */
  orders(): readonly ActiveOrder[] {
    const found: ActiveOrder[] = []
    if (this.#port.isDryRun()) {
      found.push({ text: 'Dry run: everything is admitted', until: this.#dryRun?.untilMs ?? null, key: null })
    }
    const routes = new Map<string, 'open' | 'closed'>(this.#settings.orders)
    for (const routeId of this.#standing.keys()) {
      const order = this.#port.orderOf(routeId)
      if (order === null) routes.delete(routeId)
      else routes.set(routeId, order)
    }
    for (const [routeId, order] of [...routes].slice(0, MOST_SHOWN)) {
      const given = this.#standing.get(routeId)
      const standing = given?.order === order ? given : undefined
      const text = `${nameInLog(routeId)}: ${ORDER_TEXTS[order]}`
      found.push({ text, until: standing?.untilMs ?? null, key: standing?.key ?? null })
    }
    return found
  }

  /**
   * Does what an operator asks for.
   *
   * @param routeOf the route of a key @throws ActionError, ConfigError
   */
  act(action: Action, by: string, routeOf: (key: string) => string | undefined): AuditEntry {
    const at = Date.now()
    switch (action?.kind) {
      case 'override': {
        const { order, key } = action
        if (order !== 'open' && order !== 'closed' && order !== null)
          throw new ActionError('order: open, closed or null')
        const routeId = routeIn(key, routeOf)
        const before = this.#port.orderOf(routeId)
        const untilMs = order === null ? 0 : at + 1_000 * secondsIn(action.forS)
        if (order !== null && this.#standing.size >= MOST_ORDERS && !this.#standing.has(routeId)) {
          throw new ActionError(`at most ${MOST_ORDERS} orders at once`)
        }
        this.#order(routeId, key, order, untilMs)
        const text = order === null ? 'order lifted' : `${ORDER_TEXTS[order]} for ${spanText(action.forS)}`
        return this.#record(at, by, `${nameInLog(routeId)}: ${text}`, () => {
          if (this.#port.orderOf(routeId) !== order) return CHANGED
          this.#order(routeId, key, before, before === null ? 0 : at + 1_000 * MOST_ORDER_S)
          return undefined
        })
      }
      case 'dryRun': {
        if (typeof action.on !== 'boolean') throw new ActionError('on: true or false')
        const before = this.#port.isDryRun()
        this.#setDryRun(action.on, action.on ? at + 1_000 * secondsIn(action.forS) : 0)
        const text = action.on ? `Dry run on for ${spanText(action.forS)}: everything is admitted` : 'Dry run off'
        return this.#record(at, by, text, () => {
          this.#setDryRun(before, before ? at + 1_000 * MOST_ORDER_S : 0)
          return undefined
        })
      }
      case 'configure':
        return this.#configure(at, action.key, action.changes, by, routeOf)
      case 'undo': {
        const found = this.#journal.find(action.id)
        if (found?.undo === undefined) throw new ActionError('there is nothing of that kind to undo')
        const hindrance = found.undo()
        if (hindrance !== undefined) throw new ActionError(hindrance)
        found.undo = undefined
        return this.#record(at, by, `Undone: ${found.entry.text}`)
      }
      case 'note': {
        if (typeof action.text !== 'string' || action.text.trim() === '') throw new ActionError('text: what happened')
        const text = plain(action.text.trim(), LONGEST_NOTE)
        this.#journal.note({ at, kind: 'note', text })
        return this.#record(at, by, `Noted: ${text}`)
      }
      default:
        throw new ActionError('kind: override, dryRun, configure, undo or note')
    }
  }

  /** The settings that a change would lead to. @throws ActionError, ConfigError */
  preview(key: string | null, changes: unknown, routeOf: (key: string) => string | undefined): Preview {
    const routeId = key === null ? undefined : routeIn(key, routeOf)
    const before = this.#port.paramsOf(routeId)
    return { differences: differences(before, this.#port.previewOf(routeId, optionsOf(changes))) }
  }

  /** Ends all timers; what stands then stands for good. */
  close(): void {
    for (const { timer } of this.#standing.values()) clearTimeout(timer)
    this.#standing.clear()
    clearTimeout(this.#dryRun?.timer)
    this.#dryRun = undefined
  }

  /** Notes what was done, here and outside of Studio. */
  #record(at: number, by: string, text: string, undo?: () => string | undefined): AuditEntry {
    const entry = this.#journal.record(at, by, text, undo)
    try {
      this.#onAction?.(entry)
    } catch {
      // A log of the host's own that throws undoes nothing.
    }
    return entry
  }

  #configure(
    at: number,
    key: string | null,
    given: unknown,
    by: string,
    routeOf: (key: string) => string | undefined,
  ): AuditEntry {
    const changes = optionsOf(given)
    const routeId = key === null ? undefined : routeIn(key, routeOf)
    const before = this.#port.paramsOf(routeId)
    const profile = routeId === undefined ? undefined : this.#atrion.getRouteProfile(routeId)
    if (routeId === undefined) this.#atrion.configure(changes)
    else this.#atrion.configure(routeId, changes)
    const after = this.#port.paramsOf(routeId)
    const changed = differences(before, after)
    if (changed.length === 0) throw new ActionError('nothing would change')
    const where = routeId === undefined ? 'All routes' : nameInLog(routeId)
    // A look at every sample sees the change of all routes by itself.
    if (routeId !== undefined) this.#journal.note({ at, kind: 'configure', text: `${where}: ${changed.join(', ')}` })
    return this.#record(at, by, `${where}: ${changed.join(', ')}`, () => {
      if (this.#port.paramsOf(routeId) !== after) return CHANGED
      if (routeId === undefined) this.#atrion.configure(backTo(before, after))
      else this.#atrion.setRouteProfile(routeId, profile ?? 'STANDARD')
      return undefined
    })
  }

  #order(routeId: string, key: string, order: Order, untilMs: number): void {
    clearTimeout(this.#standing.get(routeId)?.timer)
    this.#standing.delete(routeId)
    this.#atrion.override(routeId, order)
    if (order === null) return
    const timer = unrefTimer(untilMs - Date.now(), () => {
      this.#standing.delete(routeId)
      // Another order may have been given meanwhile, by code.
      if (this.#port.orderOf(routeId) !== order) return
      this.#atrion.override(routeId, null)
      this.#record(Date.now(), 'Studio', `${nameInLog(routeId)}: order has lapsed`)
    })
    this.#standing.set(routeId, { order, untilMs, key, timer })
  }

  #setDryRun(on: boolean, untilMs: number): void {
    clearTimeout(this.#dryRun?.timer)
    this.#dryRun = undefined
    this.#atrion.configure({ dryRun: on })
    if (!on) return
    const timer = unrefTimer(untilMs - Date.now(), () => {
      this.#dryRun = undefined
      this.#atrion.configure({ dryRun: false })
      this.#record(Date.now(), 'Studio', 'Dry run has lapsed')
    })
    this.#dryRun = { untilMs, timer }
  }
}

function unrefTimer(ms: number, run: () => void): ReturnType<typeof setTimeout> {
  const timer = setTimeout(run, Math.max(0, ms))
  timer.unref?.()
  return timer
}

function routeIn(key: unknown, routeOf: (key: string) => string | undefined): string {
  const routeId = typeof key === 'string' ? routeOf(key) : undefined
  if (routeId === undefined) throw new ActionError('there is no such route')
  return routeId
}

function secondsIn(seconds: unknown): number {
  if (typeof seconds !== 'number' || !(seconds >= 1 && seconds <= MOST_ORDER_S)) {
    throw new ActionError(`forS: seconds from 1 to ${MOST_ORDER_S}, after which it lapses`)
  }
  return seconds
}

const spanText = (seconds: number): string =>
  seconds % 3_600 === 0 ? `${seconds / 3_600} h` : seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`

const PATH = /^(?:slo\.|limits\.)?[A-Za-z]+$/

/** Options of a route from numbers by their paths, 'limits.max' among them. @throws ActionError */
function optionsOf(changes: unknown): RouteProfileOptions {
  if (typeof changes !== 'object' || changes === null) throw new ActionError('changes: numbers by their names')
  const entries = Object.entries(changes)
  if (entries.length === 0 || entries.length > MOST_FIELDS)
    throw new ActionError(`changes: 1 to ${MOST_FIELDS} numbers`)
  const options: Record<string, unknown> = Object.create(null)
  for (const [path, value] of entries) {
    if (!PATH.test(path)) throw new ActionError(`changes: '${plain(path, 60)}' is not a setting`)
    if (typeof value !== 'number') throw new ConfigError(path, 'a number', value)
    const [group, name] = path.split('.')
    if (name === undefined) options[path] = value
    else options[group!] = { ...(options[group!] as object | undefined), [name]: value }
  }
  return { ...options } as RouteProfileOptions
}

/** The changes that lead back from one set of numbers to another. */
function backTo(before: RouteParams, after: RouteParams): RouteProfileOptions {
  const now = numbersOf(after)
  const changed = Object.entries(numbersOf(before)).filter(([name, value]) => now[name] !== value)
  return optionsOf(Object.fromEntries(changed))
}
