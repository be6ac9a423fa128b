// Clients that go away for reasons of their own, at whatever age: their hang-ups are no evidence of how long clients wait, nor
// of a dependency that hangs.
import ava from 'ava'
import fc from 'fast-check'
import { engine, virtual } from '../_engine.mjs'

const test = engine === 'ts' ? ava.skip : ava

/** A linear congruential generator: the same draws for the same seed. */
const drawsOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/**
 * Bursts that come at once onto servers with a queue, each well within the deadline; `share` of the clients hang up at some time
 * before their answer, and the work of those goes on. @returns refused requests and all
 */
const bursts = ({ servers, size, serviceMs, deadlineMs, share, count, seed }) => {
  const draw = drawsOf(seed)
  const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: deadlineMs } })
  let refused = 0
  for (let burst = 0; burst < count; burst++) {
    const startMs = clock.now()
    const free = new Array(servers).fill(0)
    const ends = []
    for (let i = 0; i < size; i++) {
      const permit = atrion.acquire('route')
      if (!permit.allow) {
        refused++
        continue
      }
      const server = free.indexOf(Math.min(...free))
      free[server] += serviceMs * (0.5 + draw())
      const hangsUp = draw() < share
      ends.push({
        ms: hangsUp ? free[server] * draw() : free[server],
        outcome: hangsUp ? 'ignored' : 'success',
        permit,
      })
    }
    ends.sort((a, b) => a.ms - b.ms)
    for (const { ms, outcome, permit } of ends) {
      clock.set(startMs + ms)
      permit.release(outcome)
    }
    clock.set(startMs + 2 * deadlineMs)
  }
  return { refused, all: count * size }
}

test('bursts within the deadline are not refused because some clients hang up', (t) => {
  const property = fc.property(
    fc.constantFrom(1, 2, 4, 10),
    fc.constantFrom(1, 20, 1000),
    fc.double({ min: 0.3, max: 0.5, noNaN: true }),
    fc.double({ min: 0, max: 0.1, noNaN: true }),
    fc.nat(),
    (servers, serviceMs, fill, share, seed) => {
      const deadlineMs = 30 * serviceMs
      const size = Math.floor(fill * 30 * servers)
      const { refused, all } = bursts({ servers, size, serviceMs, deadlineMs, share, count: 30, seed })
      t.true(refused <= 0.01 * all, `${refused} of ${all} refused`)
    },
  )
  fc.assert(property, { numRuns: 60 })
})

test('a search as one types, whose every keystroke cancels the one before, opens no breaker', (t) => {
  const { atrion, clock } = virtual()
  const ask = (ms, outcome) => {
    const permit = atrion.acquire('GET /search')
    t.true(permit.allow, permit.reason)
    clock.advance(ms)
    permit.release(outcome)
  }
  for (let i = 0; i < 20; i++) ask(200, 'success')
  for (let word = 0; word < 20; word++) {
    for (let key = 0; key < 30; key++) ask(150, 'ignored')
    ask(200, 'success')
  }
  t.is(atrion.stats('GET /search').successRatio, 1)
})

test('a burst after a pause opens no breaker, though requests from before are still out', (t) => {
  const property = fc.property(
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 8, max: 60 }),
    fc.double({ min: 2.1, max: 20, noNaN: true }),
    fc.constantFrom(0.02, 0.2, 0.6),
    (held, size, pause, service) => {
      const deadlineMs = 500
      const { atrion, clock } = virtual({ slo: { maxAcceptableLatencyMs: deadlineMs } })
      const burst = (count) => {
        const permits = Array.from({ length: count }, () => atrion.acquire('route'))
        clock.advance(service * deadlineMs)
        for (const permit of permits) permit.release()
        return permits.filter(({ allow }) => !allow).map(({ limitedBy }) => limitedBy)
      }
      for (let i = 0; i < 20; i++) {
        t.deepEqual(burst(size), [])
        clock.advance(2 * deadlineMs)
      }
      // They take long by nature, as an export or a long poll; nothing else is asked for meanwhile.
      for (let i = 0; i < held; i++) t.true(atrion.acquire('route').allow)
      clock.advance(pause * deadlineMs)
      for (let i = 0; i < 5; i++) {
        t.deepEqual(burst(size), [])
        clock.advance(2 * deadlineMs)
      }
      t.not(atrion.stats('route').mode, 'CIRCUIT_BREAKER')
    },
  )
  fc.assert(property, { numRuns: 60 })
})
