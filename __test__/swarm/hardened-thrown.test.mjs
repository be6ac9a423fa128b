// Work that throws what cannot be looked at: the caller gets it as it is, and what the call held comes back.
import ava from 'ava'
import { engine } from '../_engine.mjs'
import { UNTOUCHABLE } from '../_thrown.mjs'
import { swarmOf, unitOf } from './_swarm.mjs'

const test = engine === 'ts' ? ava.skip : ava.serial

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))
ava.after.always((t) => t.is(unhandled.length, 0))

/** The reason of a rejection, in an object: it may be anything. */
const rejection = (promise) =>
  promise.then(
    () => 'resolved',
    (thrown) => ({ thrown }),
  )

test('a swarm passes on whatever work throws, and the budget and the permit come back', async (t) => {
  const { atrion, swarm } = swarmOf({ usd: 1 }, { route: 'model' })
  for (const [what, make] of Object.entries(UNTOUCHABLE)) {
    const thrown = make()
    const work = async (lease) => {
      lease.used({ usd: 0 })
      throw thrown
    }
    const error = await rejection(swarm.run({ usd: 0.5 }, work))
    t.true(Object.is(error.thrown, thrown), what)
    t.is(atrion.stats('model').inFlight, 0, what)
    t.like(unitOf(swarm), { held: 0, used: 0 }, what)
  }
})

test('a swarm passes on whatever an abort is given as its reason, and the permit comes back', async (t) => {
  const { atrion, swarm } = swarmOf({ usd: 1 }, { route: 'model' })
  for (const [what, make] of Object.entries(UNTOUCHABLE)) {
    const reason = make()
    const controller = new AbortController()
    const work = (lease, signal) => {
      lease.used({ usd: 0 })
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        controller.abort(reason)
      })
    }
    const error = await rejection(swarm.run({ usd: 0.5 }, work, { signal: controller.signal }))
    t.true(reason === undefined ? error.thrown.name === 'AbortError' : Object.is(error.thrown, reason), what)
    t.is(atrion.stats('model').inFlight, 0, what)
    t.like(unitOf(swarm), { held: 0, used: 0 }, what)
  }
})

test('run() passes on whatever work, or the judgement of its error, throws, and the permit comes back', async (t) => {
  const { atrion } = swarmOf({ usd: 1 })
  for (const [what, make] of Object.entries(UNTOUCHABLE)) {
    const thrown = make()
    const work = async () => {
      throw thrown
    }
    const judge = () => {
      throw thrown
    }
    for (const options of [undefined, { timeoutMs: 1000 }, { isFailure: judge }]) {
      const error = await rejection(atrion.run('work', work, options))
      t.true(Object.is(error.thrown, thrown), what)
      t.is(atrion.stats('work').inFlight, 0, what)
    }
  }
})
