// Documents of the provider in this process: instances share them, they are bounded, and watchers are called after writes.
import { ConfigError, InMemoryProvider, isSyncError } from 'atrion'
import test from 'ava'

const heard = (provider, name) =>
  new Promise((resolve) => {
    const stop = provider.watchDocuments((written) => {
      if (written !== name) return
      stop()
      resolve()
    })
  })

test('every watcher of a provider is called once a turn with each name that was written', async (t) => {
  const provider = new InMemoryProvider()
  const names = []
  const stop = provider.watchDocuments((name) => names.push(name))
  const both = Promise.all([heard(provider, 'a'), heard(provider, 'b')])
  t.true(await provider.writeDocument('a', 0, '1'))
  t.true(await provider.writeDocument('a', (await provider.readDocument('a')).version, '2'))
  t.true(await provider.writeDocument('b', 0, '1'))
  t.false(await provider.writeDocument('b', 0, '2'))
  await both
  t.deepEqual(names, ['a', 'b'])
  stop()
  const again = heard(provider, 'a')
  t.true(await provider.writeDocument('a', (await provider.readDocument('a')).version, '3'))
  await again
  t.is(names.length, 2)
})

test('a callback may end the watch of another, and its own', async (t) => {
  const provider = new InMemoryProvider()
  const calls = []
  let stopSecond
  const stopFirst = provider.watchDocuments(() => {
    calls.push('first')
    stopFirst()
    stopSecond()
  })
  stopSecond = provider.watchDocuments(() => calls.push('second'))
  const done = heard(provider, 'a')
  await provider.writeDocument('a', 0, '')
  await done
  t.deepEqual(calls, ['first'])
})

test('the last to disconnect empties it, and versions go on', async (t) => {
  const provider = new InMemoryProvider()
  await provider.connect()
  await provider.connect()
  for (let n = 0, version = 0; n < 50; n++) {
    t.true(await provider.writeDocument('a', version, `${n}`))
    ;({ version } = await provider.readDocument('a'))
  }
  const { version } = await provider.readDocument('a')
  await provider.disconnect()
  t.is((await provider.readDocument('a')).version, version)
  await provider.disconnect()
  t.like(await provider.readDocument('a'), { version: 0, text: null })
  t.true(await provider.writeDocument('a', 0, ''))
  t.true((await provider.readDocument('a')).version > version)
})

test('without room a write is rejected, and what is there stays; what has expired makes room', async (t) => {
  const provider = new InMemoryProvider()
  for (let n = 0; n < 4096; n++) await provider.writeDocument(`${n}`, 0, 'x', n === 7 ? { ttlMs: 1 } : undefined)
  while ((await provider.readDocument('7')).version !== 0) await new Promise((resolve) => setTimeout(resolve, 1))
  t.true(await provider.writeDocument('new', 0, 'x'))
  const full = await t.throwsAsync(provider.writeDocument('newer', 0, 'x'), { message: /no room for document "newer"/ })
  t.true(isSyncError(full))
  t.is((await provider.readDocument('0')).text, 'x')
  const { version } = await provider.readDocument('new')
  t.true(await provider.writeDocument('new', version, 'y'), 'one that is there may be replaced')

  const long = new InMemoryProvider()
  const text = 'x'.repeat(2 ** 20)
  for (let n = 0; n < 64; n++) t.true(await long.writeDocument(`${n}`, 0, text))
  await t.throwsAsync(long.writeDocument('more', 0, 'x'), { message: /67108864 characters/ })
  t.true(await long.writeDocument('0', (await long.readDocument('0')).version, ''))
  t.true(await long.writeDocument('more', 0, 'x'))
})

test('a value out of its range is a ConfigError with the field, the range and the value', async (t) => {
  const provider = new InMemoryProvider()
  const cases = [
    [['', 0, ''], 'name', ''],
    [['x'.repeat(257), 0, ''], 'name', 'x'.repeat(257)],
    [['a', -1, ''], 'version', -1],
    [['a', 0, 7], 'text', 7],
    [['a', 0, '', { ttlMs: 0 }], 'ttlMs', 0],
    [['a', 0, '', 7], 'options', 7],
  ]
  for (const [given, field, got] of cases) {
    const error = await t.throwsAsync(provider.writeDocument(...given), { instanceOf: ConfigError })
    t.like(error, { field, got })
  }
  t.true(await provider.writeDocument('a', 0, '', null))
  t.true(await provider.writeDocument('b', 0, '', { ttlMs: null }))
  t.throws(() => provider.watchDocuments('a'), { instanceOf: TypeError, message: /onWrite/ })
})

test.serial('nothing is read of a polluted prototype', async (t) => {
  Object.prototype.ttlMs = 1
  try {
    const provider = new InMemoryProvider()
    t.true(await provider.writeDocument('a', 0, '', {}))
    await new Promise((resolve) => setTimeout(resolve, 5))
    t.not((await provider.readDocument('a')).version, 0)
  } finally {
    delete Object.prototype.ttlMs
  }
})
