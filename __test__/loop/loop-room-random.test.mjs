// Random sequences of requests that wait, against the rules of the waiting room.
import { getEventListeners } from 'node:events'
import ava from 'ava'
import { engine, turn, virtual } from '../_engine.mjs'
import fc from '../_random.mjs'
import { furnish } from '../_room.mjs'

const test = engine === 'ts' ? ava.skip : ava

const TIERS = ['bulk', 'low', 'normal', 'high', 'critical']
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('enter'),
      tier: fc.nat(4),
      key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
      maxWaitMs: fc.constantFrom(undefined, Infinity, 0, 20, 200),
      signal: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('release'),
      which: fc.nat(20),
      outcome: fc.constantFrom('success', 'failure', 'ignored'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('acquire'), tier: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort'), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.nat(150) }) },
)

test('random sequences: each is answered once, in order, within bounds, and nothing is left', async (t) => {
  const seen = { admitted: 0, waited: 0, timedOut: 0, aborted: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 40, maxLength: 120 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, max) => {
        const { atrion, clock } = virtual()
        furnish(atrion, max)
        const [held, requests] = [[], []]
        const stats = () => atrion.stats('route')
        const settle = (request) => (permit) => {
          request.answers += 1
          request.permit = permit
          if (!permit.allow) return
          held.push(permit)
          request.admitted = true
        }
        for (const [i, each] of steps.entries()) {
          if (each.do === 'enter') {
            const { tier, key, maxWaitMs } = each
            const request = {
              tier,
              answers: 0,
              arrived: clock.now(),
              controller: each.signal ? new AbortController() : undefined,
            }
            requests.push(request)
            atrion
              .enter('route', { tier: TIERS[tier], key, maxWaitMs, signal: request.controller?.signal })
              .then(settle(request), (reason) => {
                request.answers += 1
                request.reason = reason
              })
          } else if (each.do === 'release') {
            const [permit] = held.splice(each.which % Math.max(held.length, 1), 1)
            const before = requests.filter((request) => request.answers === 0)
            permit?.release(each.outcome)
            await turn()
            const admitted = before.filter((request) => request.admitted)
            const waiting = before.filter((request) => request.answers === 0)
            const highest = Math.max(-1, ...waiting.map(({ tier }) => tier))
            if (admitted.some(({ tier }) => tier < highest)) throw new Error('a lower tier overtook a higher one')
          } else if (each.do === 'acquire') {
            const permit = atrion.acquire('route', { tier: TIERS[each.tier] })
            if (permit.allow) held.push(permit)
          } else if (each.do === 'abort') {
            const open = requests.filter(({ answers, controller }) => answers === 0 && controller)
            open[each.which % open.length]?.controller.abort(i)
          } else clock.advance(each.ms)
          await turn()
          const waiting = requests.filter((request) => request.answers === 0).length
          if (stats().waiting !== waiting) throw new Error(`${stats().waiting} wait, and not ${waiting}`)
          if (stats().inFlight !== held.length) throw new Error(`${stats().inFlight} in flight, and not ${held.length}`)
        }
        clock.advance(1000)
        atrion.acquire('route').release()
        await turn()
        for (const permit of held) permit.release()
        await turn()
        if (requests.some(({ answers }) => answers !== 1)) throw new Error('not answered once')
        for (const { permit, controller, reason } of requests) {
          if (controller && getEventListeners(controller.signal, 'abort').length > 0)
            throw new Error('a listener is left')
          if (permit?.limitedBy === 'wait_timeout') seen.timedOut += 1
          if (reason !== undefined) seen.aborted += 1
        }
        const { inFlight, waiting, shed, admitted } = stats()
        if (inFlight !== 0 || waiting !== 0) throw new Error('something is left')
        const refused = requests.filter(({ permit }) => permit?.allow === false).length
        if (shed < refused) throw new Error(`${shed} counted as shed, and ${refused} were`)
        seen.admitted += admitted
        seen.waited += requests.filter(({ admitted: allowed }) => allowed).length
      },
    ),
    { numRuns: 60, seed: 9 },
  )
  t.true(
    Object.values(seen).every((n) => n > 20),
    JSON.stringify(seen),
  )
})
