// The store that the guide builds over memcached keeps what a provider promises, with a real server.
import { existsSync, readFileSync } from 'node:fs'
import { Atrion } from 'atrion'
import { testProvider } from 'atrion/testing'
import test from 'ava'
import { MemcachedStateProvider } from '../../examples/memcached-store.mjs'
import { provideProgram } from '../../scripts/lib/packages.mjs'
import { CALM } from '../_engine.mjs'
import { startMemcached } from '../_memcached.mjs'

const problem = process.platform === 'win32' ? 'memcached does not run on Windows' : await provideProgram('memcached')
const server = problem === undefined ? await startMemcached() : undefined
test.after.always(() => server?.stop())

if (server === undefined) {
  test.skip(`the store over memcached: ${problem}`, () => {})
} else {
  testProvider(test.serial, () => new MemcachedStateProvider({ ...server, timeoutMs: 30_000 }), {
    title: 'memcached',
    routes: 300,
  })

  test.serial('an instance starts with what another one knew', async (t) => {
    const one = new Atrion({ provider: new MemcachedStateProvider({ ...server, prefix: 'two', timeoutMs: 30_000 }) })
    await one.connect()
    for (let n = 0; n < 30; n++) one.route('checkout', CALM)
    await one.disconnect()
    const two = new Atrion({ provider: new MemcachedStateProvider({ ...server, prefix: 'two', timeoutMs: 30_000 }) })
    await two.connect()
    t.deepEqual(two.getRoutes(), ['checkout'])
    await two.disconnect()
  })
}

test('the guide shows the code that is tested', (t) => {
  const example = new URL('../../examples/memcached-store.mjs', import.meta.url)
  const page = readFileSync(new URL('../../docs/guide/a-store-of-ones-own.md', import.meta.url), 'utf8')
  t.true(existsSync(example))
  const source = readFileSync(example, 'utf8').replaceAll(/\s+/g, ' ')
  const shown = [...page.matchAll(/```js no-run\n([\s\S]*?)```/g)].map(([, code]) => code.trim())
  t.true(shown.length >= 4)
  for (const code of shown) t.true(source.includes(code.replaceAll(/\s+/g, ' ')), code)
})
