// A key-value store that fails, lies, or holds what others wrote.
import { KVStateProvider } from 'atrion/fetch'
import test from 'ava'

const VECTOR = { scar: 1, momentumScalar: 2, lastTick: 3, resistance: 4 }

/** A store whose `put` fails for keys that `refuses` names. */
const storeOf = (refuses = () => false) => {
  const values = new Map()
  const put = async (key, value) => {
    if (refuses(key)) throw new Error(`no room for ${key}`)
    values.set(key, value)
  }
  return {
    values,
    store: { get: async (key) => values.get(key) ?? null, put, delete: async (key) => values.delete(key) },
  }
}

for (const [field, options] of [
  ['maxRoutes', { maxRoutes: Number.NaN }],
  ['maxRoutes', { maxRoutes: 0 }],
  ['maxRoutes', { maxRoutes: '7' }],
  ['writeEveryMs', { writeEveryMs: Number.NaN }],
  ['writeEveryMs', { writeEveryMs: -1 }],
  ['prefix', { prefix: 7 }],
  ['prefx', { prefx: 'mine:' }],
  ['options', null],
]) {
  test(`an option out of its range names itself: ${field} of ${JSON.stringify(options)}`, (t) => {
    const error = t.throws(() => new KVStateProvider(storeOf().store, options), { code: 'ATRION_CONFIG' })
    t.is(error.field, field)
  })
}

test('values that the store refused are written when it takes them', async (t) => {
  let isDown = true
  const { values, store } = storeOf(() => isDown)
  const provider = new KVStateProvider(store, { writeEveryMs: 0 })
  await provider.connect()
  await t.throwsAsync(provider.updateVector('a', VECTOR), { message: /no room/ })
  t.deepEqual(await provider.getVector('a'), VECTOR)
  await t.throwsAsync(provider.updateVector('a', { ...VECTOR, scar: 9 }), { message: /no room/ })
  isDown = false
  await provider.disconnect()
  t.deepEqual(JSON.parse(values.get('atrion:route:a')), { ...VECTOR, scar: 9 })
})

test('a name that the store refuses keeps no other from it', async (t) => {
  const { values, store } = storeOf((key) => key.endsWith('refused'))
  const provider = new KVStateProvider(store, { writeEveryMs: 0 })
  await provider.connect()
  await t.throwsAsync(provider.updateVector('refused', VECTOR), { message: /no room/ })
  for (const routeId of ['a', 'b']) {
    await t.throwsAsync(provider.updateVector(routeId, VECTOR), { message: /no room/ })
    t.true(values.has(`atrion:route:${routeId}`))
  }
  await t.throwsAsync(provider.disconnect(), { message: /no room/ })
  t.deepEqual((await provider.listRoutes()).sort(), ['a', 'b'])
})

test('the values held back for a store that is down are bounded', async (t) => {
  const { store } = storeOf(() => true)
  const provider = new KVStateProvider(store, { writeEveryMs: 0, maxRoutes: 3 })
  await provider.connect()
  for (let i = 0; i < 9; i++) await t.throwsAsync(provider.updateVector(`r${i}`, VECTOR))
  const kept = []
  for (let i = 0; i < 9; i++) if ((await provider.getVector(`r${i}`)) !== null) kept.push(i)
  t.deepEqual(kept, [6, 7, 8])
})

test('a value that is no vector is none', async (t) => {
  const { values, store } = storeOf()
  const provider = new KVStateProvider(store)
  const texts = ['', 'null', '[]', '{', '"x"', '1', '{"scar":1e999}', JSON.stringify({ ...VECTOR, scar: -1 })]
  for (const value of [...texts, new Uint8Array(4), Symbol('s'), { ...VECTOR, scar: Number.NaN }]) {
    values.set('atrion:route:a', value)
    t.is(await provider.getVector('a'), null)
  }
})

test('an index of others is taken over as far as there is room', async (t) => {
  const { values, store } = storeOf()
  values.set('atrion:routes', JSON.stringify([7, null, '', ...Array.from({ length: 1000 }, (_, i) => `r${i}`)]))
  const provider = new KVStateProvider(store, { maxRoutes: 3 })
  await provider.connect()
  t.deepEqual(await provider.listRoutes(), ['r0', 'r1', 'r2'])
  for (const index of ['{}', '7', '{', { length: 1e9 }]) {
    values.set('atrion:routes', index)
    const other = new KVStateProvider(store)
    await other.connect()
    t.deepEqual(await other.listRoutes(), [])
  }
})
