// The helpers that the suites of the package share. Each suite runs on the engine that ATRION_ENGINE names.
import { Atrion, VirtualClock } from 'atrion'

export const engine = process.env.ATRION_ENGINE || 'native'

export const create = (options = {}) => new Atrion({ engine, ...options })

/** An instance in virtual time. */
export const virtual = (options = {}) => {
  const clock = new VirtualClock(1_000_000)
  return { clock, atrion: create({ clock, ...options }) }
}

/** On its baselines: P = 0. */
export const CALM = Object.freeze({ latencyMs: 100, errorRate: 0.01, saturation: 0.5 })
/** Worse than expected, but no trauma: ‖P‖ = 0.29. */
export const MILD = Object.freeze({ latencyMs: 130, errorRate: 0.01, saturation: 0.5 })
/** Trauma: every component at its worst. */
export const BAD = Object.freeze({ latencyMs: 10_000, errorRate: 1, saturation: 1 })

/** Ticks a route `times` times, `stepMs` apart, the first one now; the decisions. */
export const drive = ({ atrion, clock }, routeId, telemetry, times, stepMs = 100, options = undefined) =>
  Array.from({ length: times }, (_, i) => {
    if (i > 0) clock.advance(stepMs)
    return atrion.route(routeId, telemetry, options)
  })

/** A route that has just turned OPERATIONAL, unstressed: R = 10 Ω. */
export const warm = (world, routeId = 'route', stepMs = 100) => {
  drive(world, routeId, CALM, 10, stepMs)
  world.clock.advance(stepMs)
  return world
}

/** A route whose breaker has just opened. */
export const broken = (world, routeId = 'route') => {
  for (let i = 0; i < 200; i++) {
    if (world.atrion.route(routeId, BAD).mode === 'CIRCUIT_BREAKER') return world
    world.clock.advance(100)
  }
  throw new Error('the breaker did not open')
}

/** Randomness that repeats: the same seed, the same numbers in [0, 1). */
export const randomOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000
  }
}

/** A logger that remembers. */
export const memoryLogger = () => {
  const entries = []
  const write = (level) => (message, context) => entries.push({ level, message, context })
  return { entries, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** One turn of the event loop: what was put off with setImmediate has happened after it. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Names that have broken maps, logs or string handling before. */
export const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '__defineGetter__',
  ' ',
  '\0',
  'a\0b',
  'a\0',
  '\ud800',
  '\udfff',
  'x\ud800y',
  'x\udc00y',
  '\udc00\ud800',
  '\ufffd',
  '👩‍👩‍👧‍👦',
  '🛑🟢',
  '\u202eGET',
  'e\u0301',
  '\u00e9',
  '0',
  '-1',
  'null',
  'undefined',
  'NaN',
  '\n',
  '{{7*7}}',
  '../../etc/passwd',
  "' OR 1=1 --",
  'x'.repeat(1 << 20),
  `${'x'.repeat((1 << 20) - 1)}y`,
]
