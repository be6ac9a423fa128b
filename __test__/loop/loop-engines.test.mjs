// A request without options has code of its own in the native engine; the wasm engine has one way for all.

import { Atrion, VirtualClock } from 'atrion'
import ava from 'ava'
import { engine } from '../_engine.mjs'
import fc from '../_random.mjs'

const test = engine === 'native' ? ava : ava.skip
const ROUTE = 'GET /orders'
const OUTCOMES = ['success', 'failure', 'ignored']

/** Requests, and permits that come back, in the order given; what is known after each. */
const play = (kind, steps) => {
  const clock = new VirtualClock(1_000_000)
  const atrion = new Atrion({ engine: kind, clock, autoTuner: false })
  const held = []
  return steps.map(({ asks, options, outcome, afterMs, oldest }) => {
    clock.advance(afterMs)
    if (asks) {
      const permit = atrion.acquire(ROUTE, options)
      if (permit.allow) held.push(permit)
      return [permit.toJSON(), permit.explain()]
    }
    const permit = oldest ? held.shift() : held.pop()
    permit?.release(outcome)
    return atrion.stats(ROUTE)
  })
}

test('requests with and without options are decided by either engine to the last bit', (t) => {
  const options = fc.constantFrom(
    undefined,
    undefined,
    undefined,
    {},
    { tier: 'normal' },
    { tier: 'bulk' },
    { saturation: 0.7 },
  )
  const step = fc.record({
    asks: fc.boolean(),
    options,
    outcome: fc.constantFrom(...OUTCOMES),
    afterMs: fc.oneof(fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 400, noNaN: true })),
    oldest: fc.boolean(),
  })
  let refused = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 600 }), (steps) => {
      const native = play('native', steps)
      t.deepEqual(native, play('wasm', steps))
      refused += native.filter((seen) => Array.isArray(seen) && !seen[0].allow).length
    }),
    { numRuns: 60 },
  )
  t.true(refused > 0, 'requests were refused as well')
})
