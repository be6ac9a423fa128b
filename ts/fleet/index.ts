/**
 * Many routes by number that tick together, as columns: for simulations, and for gateways that keep their own table of routes. The
 * laws are those of `route()`, to the last bit.
 */

import { ConfigError } from '../base/errors.js'
import { HostClock } from '../base/host-clock.js'
import { requireCells, wrongType } from '../base/input.js'
import { copyOf } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { DEFAULT_CONFIG, type OperationalMode, type PhysicsConfig } from '../core/index.js'
import { BLOCK, COLUMN } from '../engine/fleet-cells.js'
import { MODES } from '../engine/port.js'
import type { AtrionOptions, RouteProfileOptions } from '../options/options.js'
import { requireObject } from '../options/ranges.js'
import { resolveParams, resolveRouteProfile } from '../options/resolve.js'
import { deriveCells } from '../routes/params.js'
import { createBlock, type FleetBlock, READING_CELLS } from './block.js'

/** The numbers that govern the routes of a fleet, and where it runs. */
export interface FleetOptions
  extends Partial<PhysicsConfig>,
    Pick<RouteProfileOptions, 'profile' | 'slo'>,
    Pick<AtrionOptions, 'autoTuner' | 'config'> {
  /** The engine: 'native' where it loads, else 'wasm'; by default, 'auto'. */
  readonly engine?: 'auto' | 'native' | 'wasm'
  /** The time of ticks that are given none, ms, monotonic; by default, the time since the Unix epoch in whole ms. */
  readonly clock?: { now(): number }
}

const OWN = ['config', 'autoTuner', 'engine', 'clock', 'slo', 'profile'] as const
const KNOWN: readonly string[] = [...OWN, ...Object.keys(DEFAULT_CONFIG)]
/** Most routes of a fleet. */
const MOST_ROUTES = 1 << 24

/** The options, each read once. @throws ConfigError for one that there is not */
function readOptions(options: FleetOptions): FleetOptions {
  const given = copyOf(requireObject('config', options), KNOWN)
  for (const name of Object.keys(given)) if (!KNOWN.includes(name)) throw unknownName(name, name, KNOWN)
  const { clock } = given as { clock?: unknown }
  if (clock !== undefined && typeof (clock as { now?: unknown } | null)?.now !== 'function') {
    throw new ConfigError('clock', 'an object with now()', clock)
  }
  return given as FleetOptions
}

function lawOf({ config, autoTuner, engine: _, clock: _clock, ...own }: FleetOptions): Float64Array {
  const base = resolveParams({ ...(config && { config }), ...(autoTuner !== undefined && { autoTuner }) })
  return deriveCells(resolveRouteProfile(own as RouteProfileOptions, base))
}

/** @throws TypeError, ConfigError for what is no time */
function requireTime(nowMs: unknown): asserts nowMs is number {
  if (typeof nowMs !== 'number') throw wrongType('nowMs', 'a number of ms', nowMs)
  if (!Number.isFinite(nowMs)) throw new ConfigError('nowMs', 'a finite number of ms', nowMs)
}

/**
 * Routes 0 to `size` − 1. Every column is a view of the fleet's own memory: it is never detached, and holds what the last tick left. A
 * program may write into it, as a simulation does that starts from somewhere.
 *
 * @example
 * const fleet = new Fleet(1000, { baseResistance: 20 })
 * fleet.samples.set([50, 0.01, 0.3], 0) // latencyMs, errorRate and saturation of route 0
 * fleet.tick()
 * fleet.allows(0, 100)
 */
export class Fleet {
  readonly size: number
  /** Three numbers a route: latencyMs, errorRate, saturation. {@link tick} without an argument reads these. */
  readonly samples: Float64Array
  /** R, Ω. */
  readonly resistance: Float64Array
  /** S, Ω. */
  readonly scar: Float64Array
  /** M, 1/ms. */
  readonly momentum: Float64Array
  /** 0 BOOTSTRAP, 1 OPERATIONAL, 2 CIRCUIT_BREAKER. */
  readonly mode: Uint8Array
  /** P, each component in [−1, 1]. */
  readonly pressureLatency: Float64Array
  readonly pressureError: Float64Array
  readonly pressureSaturation: Float64Array
  /** The usual R of each route, Ω, and its variance, Ω². */
  readonly tunerMean: Float64Array
  readonly tunerVariance: Float64Array
  /** The time at which the breaker last opened, ms. */
  readonly recoveryStartedAt: Float64Array
  readonly #block: FleetBlock
  readonly #clock: HostClock | undefined

  /**
   * @param size 1 to 16,777,216 routes; each takes 97 bytes
   * @param config the numbers that govern all of them; by default, those of profile STANDARD
   * @throws ConfigError for an option out of its range, DependencyError where the engine does not load
   */
  constructor(size: number, config: FleetOptions = {}) {
    if (!Number.isInteger(size) || size < 1 || size > MOST_ROUTES) {
      throw new ConfigError('size', `an integer in [1, ${MOST_ROUTES}]`, size)
    }
    const options = readOptions(config)
    const law = lawOf(options)
    const block = createBlock(size, options.engine)
    const { cells } = block
    const columnAt = (column: number): Float64Array => {
      const from = BLOCK.COLUMNS + column * size
      return cells.subarray(from, from + size)
    }
    this.size = size
    this.#block = block
    this.#clock = options.clock && new HostClock(options.clock, () => {})
    this.samples = cells.subarray(BLOCK.COLUMNS + COLUMN.READINGS * size)
    this.resistance = columnAt(COLUMN.RESISTANCE)
    this.scar = columnAt(COLUMN.SCAR)
    this.momentum = columnAt(COLUMN.MOMENTUM)
    this.mode = block.modes
    this.pressureLatency = columnAt(COLUMN.PRESSURE_LATENCY)
    this.pressureError = columnAt(COLUMN.PRESSURE_ERROR)
    this.pressureSaturation = columnAt(COLUMN.PRESSURE_SATURATION)
    this.tunerMean = columnAt(COLUMN.TUNER_MEAN)
    this.tunerVariance = columnAt(COLUMN.TUNER_VARIANCE)
    this.recoveryStartedAt = columnAt(COLUMN.RECOVERY_STARTED_AT)
    cells.set(law, BLOCK.LAW)
    this.reset()
  }

  /** The engine that computes the physics. */
  get engine(): 'native' | 'wasm' {
    return this.#block.kind
  }

  /** Ticks so far. */
  get tickCount(): number {
    return this.#block.cells[BLOCK.TICKS]!
  }

  /** The time of the last tick or sweep, ms; undefined before the first tick. */
  get lastUpdatedAt(): number | undefined {
    const atMs = this.#block.cells[BLOCK.LAST_UPDATED_AT]!
    return Number.isNaN(atMs) ? undefined : atMs
  }

  /** Readings with a component that was noise, of all routes: a component that is negative or not finite keeps its last pressure. */
  get rejectedSamples(): number {
    return this.#block.cells[BLOCK.REJECTED_SAMPLES]!
  }

  /**
   * One tick of every route.
   *
   * @param samples three numbers a route: latencyMs, errorRate, saturation; by default what is in {@link samples}, which costs no copy
   * @param nowMs the time of the samples, ms; a time before that of the last tick or sweep counts as that
   * @throws TypeError for a wrong type, RangeError for an array that is too short
   */
  tick(samples: Float64Array = this.samples, nowMs: number = this.#nowMs()): void {
    requireCells('samples', samples)
    requireTime(nowMs)
    const cells = this.size * READING_CELLS
    if (samples.length < cells) throw new RangeError(`samples must hold ${cells} cells, got ${samples.length}`)
    if (samples !== this.samples) this.samples.set(samples.length > cells ? samples.subarray(0, cells) : samples)
    this.#block.cells[BLOCK.NOW] = nowMs
    this.#block.tick()
  }

  /**
   * Time passes without readings: every scar decays to that time, and R follows. No tick is counted, the modes stay, and nothing happens
   * before the first tick. The Δt of the next tick's M counts from the last tick, so that a fleet may be swept between readings as well.
   *
   * @param nowMs ms; a time before that of the last tick or sweep counts as that
   * @throws TypeError, ConfigError for what is no time
   */
  sweep(nowMs: number = this.#nowMs()): void {
    requireTime(nowMs)
    this.#block.cells[BLOCK.NOW] = nowMs
    this.#block.sweep()
  }

  /** Returns whether a request of that voltage flows on a route. */
  allows(route: number, voltage: number): boolean {
    return this.modeOf(route) !== 'CIRCUIT_BREAKER' && voltage > this.resistance[route]!
  }

  /** The mode of a route by its name. @throws RangeError for a route that there is not */
  modeOf(route: number): OperationalMode {
    const mode = this.mode[route]
    if (mode === undefined) throw new RangeError(`route must be an integer in [0, ${this.size - 1}], got ${route}`)
    return MODES[mode] ?? 'BOOTSTRAP'
  }

  /** Makes every route one without measurements. */
  reset(): void {
    this.#block.cells[BLOCK.TICKS] = -1
    this.#block.tick()
  }

  #nowMs(): number {
    return this.#clock?.now() ?? Math.floor(performance.timeOrigin + performance.now())
  }
}
