// Random histories of swarms: calls that begin, wait, report, extend, end, fail, are aborted, are late, and swarms that are closed. After
// every step each swarm's account is what a plain list of the calls adds up to.
import test from 'ava'
import { turn, virtual } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import fc from '../_random.mjs'

const UNITS = ['a', 'b']
const LIMIT = 40

const amounts = fc.record({ a: fc.integer({ min: 0, max: 9 }), b: fc.integer({ min: 0, max: 9 }) })
const some = fc.record({ a: fc.integer({ min: 0, max: 14 }), b: fc.integer({ min: 0, max: 14 }) }, { requiredKeys: [] })
const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('child'), of: fc.nat(), limit: fc.integer({ min: 0, max: 20 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('run'), of: fc.nat(), amounts, waits: fc.boolean(), tier: fc.nat(4) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constantFrom('used', 'debit', 'extend', 'settle'), of: fc.nat(), amounts: some }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom('end', 'fail', 'abort', 'late', 'refund'),
      of: fc.nat(),
      amounts: some,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close'), of: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance'), ms: fc.integer({ min: 1, max: 400 }) }) },
)

/** The calls so far, and what they add up to. */
class Ledger {
  calls = []

  /** A call's account: what is held turns into used as it is reported, and, without any report, when it ends. */
  static countOf({ held, totals, reported, state }, unit) {
    if (state === 'open') return { used: totals[unit], held: held[unit] }
    return { used: reported.has(unit) ? totals[unit] : held[unit], held: 0 }
  }

  of(path, unit) {
    const below = this.calls.filter((call) => call.begun && (call.path === path || call.path.startsWith(`${path}/`)))
    const counts = below.map((call) => Ledger.countOf(call, unit))
    return {
      used: counts.reduce((sum, { used }) => sum + used, 0),
      held: counts.reduce((sum, { held }) => sum + held, 0),
    }
  }

  report(call, usage, isMore) {
    for (const [unit, amount] of Object.entries(usage)) {
      const total = isMore ? call.totals[unit] + amount : amount
      const more = Math.max(0, total - call.totals[unit])
      call.totals[unit] += more
      call.held[unit] -= Math.min(more, call.held[unit])
      call.reported.add(unit)
    }
  }
}

const start = (call, swarm, options) => {
  call.result = swarm.run(
    call.estimate,
    (lease) =>
      new Promise((end, fail) => {
        Object.assign(call, { begun: true, lease, end, fail })
      }),
    options,
  )
  call.result.then(
    () => {},
    (error) => {
      call.error = error
    },
  )
}

test('after any history every account is the sum of its calls', async (t) => {
  t.timeout(PATIENCE_MS)
  let waited = 0
  let exhausted = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const { atrion, clock } = virtual()
      const root = atrion.createSwarm('root', { budget: { a: LIMIT, b: LIMIT } })
      const swarms = [root]
      let children = 0
      const ledger = new Ledger()
      const begun = (of, states = ['open']) => {
        const fit = ledger.calls.filter((call) => call.begun && states.includes(call.state))
        return fit.length > 0 ? fit[of % fit.length] : undefined
      }
      for (const one of steps) {
        const swarm = swarms[(one.of ?? 0) % swarms.length]
        if (one.type === 'child') {
          if (swarms.length < 8) {
            const parents = swarm.stats().units.a?.limit ?? LIMIT
            children += 1
            swarms.push(swarm.child(`c${children}`, { budget: { a: Math.min(one.limit, parents) } }))
          }
        } else if (one.type === 'run') {
          const call = {
            path: swarm.path,
            estimate: one.amounts,
            held: { ...one.amounts },
            totals: { a: 0, b: 0 },
            reported: new Set(),
            state: 'open',
            controller: new AbortController(),
          }
          ledger.calls.push(call)
          start(call, swarm, {
            signal: call.controller.signal,
            maxWaitMs: one.waits ? 300 : 0,
            tier: ['bulk', 'low', 'normal', 'high', 'critical'][one.tier],
          })
        } else if (one.type === 'close') {
          const closed = [swarm, ...swarms.filter(({ path }) => path.startsWith(`${swarm.path}/`))]
          if (swarm !== root) {
            swarm.close()
            for (const { path } of closed)
              swarms.splice(
                swarms.findIndex((other) => other.path === path),
                1,
              )
            for (const call of ledger.calls)
              if (call.begun && call.state === 'open' && call.lease.exhausted) {
                call.end()
                call.state = 'over'
              }
          }
        } else if (one.type === 'advance') clock.advance(one.ms)
        else {
          const call = begun(one.of, one.type === 'late' ? ['left'] : ['open'])
          if (call === undefined) {
            // There is none in such a state.
          } else if (one.type === 'used' || one.type === 'debit' || one.type === 'late') {
            call.lease[one.type === 'late' ? 'used' : one.type](one.amounts)
            ledger.report(call, one.amounts, one.type === 'debit')
            if (call.lease.exhausted !== undefined && call.state === 'open') {
              exhausted += 1
              call.end()
              call.state = 'over'
            }
          } else if (one.type === 'extend') {
            try {
              call.lease.extend(one.amounts)
              for (const [unit, amount] of Object.entries(one.amounts)) call.held[unit] += amount
            } catch (error) {
              t.is(error.code, 'ATRION_BUDGET')
            }
          } else if (one.type === 'settle') {
            t.true(call.lease.settle(one.amounts))
            t.false(call.lease.settle())
            ledger.report(call, one.amounts, false)
            call.state = 'over'
            call.end()
          } else if (one.type === 'refund') {
            call.lease.refund()
            for (const unit of UNITS) call.reported.add(unit)
          } else if (one.type === 'abort') {
            call.controller.abort()
            call.state = 'left'
          } else {
            call[one.type](new Error('failed'))
            call.state = 'over'
          }
        }
        await turn()
        await turn()
        for (const { path, stats } of swarms.map((swarm) => ({ path: swarm.path, stats: swarm.stats() }))) {
          for (const [unit, { limit, used, held, left }] of Object.entries(stats.units)) {
            t.is(limit, used + held + left)
            t.deepEqual({ path, unit, used, held }, { path, unit, ...ledger.of(path, unit) })
          }
          waited += stats.waiting
        }
      }
      for (const call of ledger.calls) {
        if (call.begun && call.state !== 'over') call.end()
        call.controller.abort()
      }
      await turn()
      await turn()
      t.is(root.stats().units.a.held, 0)
      t.is(root.stats().inFlight, 0)
      t.is(root.stats().waiting, 0)
      root.close()
    }),
    { numRuns: 120 },
  )
  t.true(waited > 0 && exhausted > 0, `${waited} waited, ${exhausted} were exhausted`)
})
