// Host code may run in the middle of a call: a getter on options, a clock, a logger, a function that classifies keys, a sequence
// of names. Whatever it asks the same instance for, the call under way is answered as if that had been asked before it.
import assert from 'node:assert/strict'
import { VirtualClock } from 'atrion'
import test from 'ava'
import { create, engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const ROUTES = ['a', 'b', 'c', 'd', 'e', 'f']
const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']
const closedLoop = engine === 'ts' ? [] : ['acquire', 'release', 'run']

const telemetry = fc.record({
  latencyMs: fc.constantFrom(1, 100, 130, 10_000, -1, Number.NaN),
  errorRate: fc.constantFrom(0, 0.01, 1, -1),
  saturation: fc.constantFrom(0, 0.5, 1),
})
const call = fc.record({
  what: fc.constantFrom('route', 'routeBatch', 'resetRoute', 'getState', 'stats', 'profile', 'override', ...closedLoop),
  routeId: fc.constantFrom(...ROUTES),
  others: fc.array(fc.constantFrom(...ROUTES), { minLength: 1, maxLength: 4 }),
  telemetry,
  voltage: fc.constantFrom(0, 20, 100, 1e9),
  profile: fc.constantFrom(undefined, 'LIGHT', 'HEAVY', { baselineLatencyMs: 5, maxDurationMs: 1e4 }),
  tier: fc.constantFrom(...TIERS),
  key: fc.constantFrom(undefined, 'k1', 'k2', 'k3'),
  outcome: fc.constantFrom('success', 'failure'),
  stepMs: fc.constantFrom(0, 1, 50, 200),
})
/** A call, and what host code asks for in the middle of it, at which of the moments at which it gets to run. */
const step = fc.record({
  outer: call,
  inner: fc.array(call, { maxLength: 3 }),
  where: fc.constantFrom('options', 'clock', 'proxy', 'breakBy', 'nowhere'),
})

const plain = (permit) => [
  permit.allow,
  permit.resistance,
  permit.voltage,
  permit.mode,
  permit.reason,
  permit.limitedBy,
]

/** An instance that keeps its permits, and answers calls with plain data. */
const worldOf = () => {
  const clock = new VirtualClock(1_000_000)
  const hook = { run: undefined }
  const interrupt = () => {
    const { run } = hook
    hook.run = undefined
    run?.()
  }
  const time = {
    now: () => {
      if (hook.where === 'clock') interrupt()
      return clock.now()
    },
  }
  const loud = () => {
    if (hook.where === 'logger') interrupt()
  }
  const logger = { debug: loud, info: loud, warn: loud, error: loud }
  const atrion = create({ clock: time, maxRoutes: 4, logger, keySecret: 'the same in both worlds' })
  const breakBy = (key) => {
    if (hook.where === 'breakBy') interrupt()
    return key
  }
  const permits = []
  const answers = []

  /** `options` as host code that gets to run when it is read. */
  const armed = (options) => {
    if (hook.where === 'options') {
      const entries = Object.entries(options)
      return Object.defineProperties(
        Array.isArray(options) ? [] : {},
        Object.fromEntries(
          entries.map(([name, value]) => [
            name,
            {
              enumerable: true,
              get: () => {
                interrupt()
                return value
              },
            },
          ]),
        ),
      )
    }
    if (hook.where !== 'proxy') return options
    const trap =
      (of) =>
      (target, ...rest) => {
        interrupt()
        return Reflect[of](target, ...rest)
      }
    const handler = Object.fromEntries(
      ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf'].map((of) => [of, trap(of)]),
    )
    return new Proxy(options, handler)
  }

  /** The action of `it`, with the permit that it releases. */
  const prepare = (it) => {
    const permit = it.what === 'release' ? permits.pop() : undefined
    return () => perform(it, permit)
  }
  const perform = (it, given) => {
    const { routeId } = it
    switch (it.what) {
      case 'route': {
        const options =
          it.profile === undefined ? { voltage: it.voltage } : { voltage: it.voltage, profile: it.profile }
        return atrion.route(routeId, armed(it.telemetry), armed(options))
      }
      case 'routeBatch': {
        const samples = Float64Array.from(it.others.flatMap(() => Object.values(it.telemetry)))
        return [...atrion.routeBatch(armed([...it.others]), samples, new Float64Array(it.others.length * 2))]
      }
      case 'resetRoute':
        void atrion.resetRoute(routeId)
        return undefined
      case 'getState':
        return atrion.getState(routeId)
      case 'stats':
        return atrion.stats(routeId)
      case 'profile':
        return atrion.setRouteProfile(
          routeId,
          armed({ limits: { min: 1, max: 4 }, breakBy, baseResistance: 7 + it.voltage / 1e9 }),
        )
      case 'override':
        return atrion.override(routeId, it.tier === 'bulk' ? 'open' : it.tier === 'critical' ? 'closed' : null)
      case 'acquire': {
        const permit = atrion.acquire(routeId, armed({ tier: it.tier, ...(it.key && { key: it.key, weight: 2 }) }))
        permits.push(permit)
        return plain(permit)
      }
      case 'release':
        given?.release(it.outcome)
        return undefined
      default:
        void atrion.run(routeId, () => true, armed({ tier: it.tier, fallback: () => false }))
        return undefined
    }
  }

  return {
    answers,
    /** The remaining state: routes, and the requests in flight of each. */
    rest: () => [
      atrion.snapshot().sort((x, y) => (x.routeId < y.routeId ? -1 : 1)),
      ROUTES.map((routeId) => atrion.stats(routeId)),
      permits.map(plain),
    ],
    /** `inner` in the middle of `outer`; true when host code did get to run. */
    interrupted: ({ outer, inner, where }) => {
      clock.advance(outer.stepMs)
      let ran = false
      hook.where = where
      hook.run = () => {
        ran = true
        hook.where = 'nowhere'
        for (const it of inner) answers.push([it.what, prepare(it)()])
      }
      const answer = prepare(outer)()
      hook.where = 'nowhere'
      hook.run = undefined
      answers.push([outer.what, answer])
      return ran
    },
    /** The same calls in a row. */
    inARow: ({ outer, inner }, ran) => {
      clock.advance(outer.stepMs)
      const last = prepare(outer)
      if (ran) for (const it of inner) answers.push([it.what, prepare(it)()])
      answers.push([outer.what, last()])
    },
  }
}

test('a call that host code interrupts is answered as if what that asked had been asked before it', (t) => {
  let interruptions = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), (steps) => {
      const disturbed = worldOf()
      const calm = worldOf()
      for (const one of steps) {
        const ran = disturbed.interrupted(one)
        if (ran) interruptions += 1
        calm.inARow(one, ran)
        assert.deepEqual(disturbed.answers.splice(0), calm.answers.splice(0))
      }
      assert.deepEqual(disturbed.rest(), calm.rest())
    }),
    { numRuns: 200 },
  )
  t.true(interruptions > 1000, `${interruptions} interruptions`)
})
