// Odd answers of a store, or of a source of settings, to a subscription: nothing is thrown at a caller or left unhandled, and each that was begun is ended.
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'
import { UNTOUCHABLE } from '../_thrown.mjs'

const test = ava.serial
const closedLoop = engine === 'ts' ? test.skip : test

const unhandled = []
process.on('unhandledRejection', (error) => unhandled.push(error))
ava.after.always((t) => t.is(unhandled.length, 0))

const turn = () => new Promise((resolve) => setImmediate(resolve))

const SAMPLE = { latencyMs: 10, errorRate: 0, saturation: 0 }

/** Each way of answering: by what is thrown, by a promise that rejects, or by what is no end. */
const WAYS = {
  throws: (value) => {
    throw value
  },
  rejects: (value) => Promise.reject(value),
  answers: (value) => value,
  resolves: (value) => Promise.resolve(value),
}

class Watched extends RecordingProvider {
  required = false
  answer = () => () => {}

  subscribe(routeId) {
    this.calls.push(['subscribe', routeId])
    return this.answer()
  }

  watchDocuments() {
    this.calls.push(['watchDocuments'])
    return this.answer()
  }

  async readDocument() {
    return { version: 0, text: null, nowMs: Date.now() }
  }

  async writeDocument() {
    return true
  }
}

const nodeOf = (answer) => {
  const provider = Object.assign(new Watched(), { answer })
  return { provider, atrion: create({ provider }) }
}

for (const [way, answer] of Object.entries(WAYS)) {
  closedLoop(`a store whose subscription ${way} costs no call, and nothing is unhandled`, async (t) => {
    for (const [what, make] of Object.entries(UNTOUCHABLE)) {
      const { provider, atrion } = nodeOf(() => answer(make()))
      await atrion.connect()
      atrion.route('route', SAMPLE)
      await atrion.flush()
      const swarm = atrion.createSwarm('swarm', { budget: { usd: 1 } })
      await turn()
      t.true(provider.countOf('subscribe') > 0, what)
      t.true(provider.countOf('watchDocuments') > 0, what)
      t.true(atrion.acquire('route').release('success') !== null, what)
      swarm.close()
      await atrion.disconnect()
    }
    await turn()
  })

  test(`a source of settings whose subscription ${way} leaves nothing unhandled`, async (t) => {
    const atrion = create()
    for (const [what, make] of Object.entries(UNTOUCHABLE)) {
      const subscribe = () => answer(make())
      let stop
      if (way === 'throws') t.throws(() => atrion.config.subscribe({ subscribe }), { any: true }, what)
      else stop = atrion.config.subscribe({ subscribe })
      await turn()
      t.notThrows(() => stop?.(), what)
    }
    await turn()
  })
}

for (const [form, wrap] of Object.entries({
  'a function': (end) => end,
  'an object with unsubscribe()': (end) => ({ unsubscribe: end }),
  'a promise of a function': async (end) => end,
  'a promise of an object': async (end) => ({ unsubscribe: end }),
})) {
  test(`the end of a store's subscription may be ${form}: one subscription a route, ended once`, async (t) => {
    let ended = 0
    const { provider, atrion } = nodeOf(() =>
      wrap(() => {
        ended += 1
      }),
    )
    await atrion.connect()
    for (let i = 0; i < 5; i++) {
      atrion.route('route', SAMPLE)
      await atrion.flush()
    }
    // Not sent yet when the connection ends: it is watched no more.
    atrion.route('late', SAMPLE)
    t.is(provider.countOf('subscribe'), 1)
    t.is(ended, 0)
    await atrion.disconnect()
    await turn()
    t.is(provider.countOf('subscribe'), 1)
    t.is(ended, provider.countOf('subscribe') + provider.countOf('watchDocuments'))
  })
}
