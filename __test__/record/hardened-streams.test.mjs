// Streams of the caller's that are over, or fail at any time: no error of theirs is without a listener, and nothing is left on one that works.
import { PassThrough, Writable } from 'node:stream'
import test from 'ava'
import { create, engine } from '../_engine.mjs'

const turn = () => new Promise(setImmediate)
const failing = (options) => new Writable({ ...options, write: (_chunk, _encoding, done) => done(new Error('no room')) })

const STREAMS = {
  ended: () => new PassThrough().end(),
  destroyed: () => new PassThrough().destroy(),
  failing: () => failing(),
  'failing for ever': () => failing({ autoDestroy: false }),
  'failing later': () => new Writable({ write: (_chunk, _encoding, done) => setImmediate(done, new Error('no room')) }),
  'failing in the middle': () => {
    let writes = 0
    return new Writable({ write: (_chunk, _encoding, done) => done(writes++ === 0 ? null : new Error('no room')) })
  },
}

for (const [name, make] of Object.entries(STREAMS)) {
  test.serial(`a stream that is ${name} harms nothing, however soon the recording is stopped`, async (t) => {
    if (engine === 'ts') return t.pass()
    for (const turns of [0, 1, 3]) {
      const atrion = create()
      const stream = make()
      const faults = []
      const onFault = (error) => faults.push(error)
      process.on('uncaughtException', onFault)
      const recording = atrion.record(stream)
      for (let i = 0; i < 100; i++) atrion.acquire('r').release()
      for (let i = 0; i < turns; i++) await turn()
      await recording.stop()
      for (let i = 0; i < 5; i++) await turn()
      process.removeListener('uncaughtException', onFault)
      t.deepEqual(faults, [])
      t.is(recording.stats.dropped, 100)
    }
  })
}

test('nothing is left on a stream that works', async (t) => {
  if (engine === 'ts') return t.pass()
  const stream = new PassThrough().resume()
  const recording = create().record(stream)
  await recording.stop()
  t.is(stream.listenerCount('error'), 0)
  t.true(stream.writable)
})

test('what has a write() and is no stream is refused by its name', (t) => {
  if (engine === 'ts') return t.pass()
  const target = { instanceOf: TypeError, message: /^target must be the path of a file, a writable stream/ }
  for (const given of [{ write() {} }, new WritableStream(), { write() {}, on() {} }]) t.throws(() => create().record(given), target)
})
