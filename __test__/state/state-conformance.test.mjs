// The conformance suite: every provider of the package passes it, and one that breaks any single promise does not.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileStateProvider, InMemoryProvider } from 'atrion'
import { KVStateProvider } from 'atrion/fetch'
import { testProvider } from 'atrion/testing'
import test from 'ava'
import { ShelfProvider } from '../_shelf.mjs'
import { BREACHES } from './_breaches.mjs'

const folder = mkdtempSync(join(tmpdir(), 'atrion-conformance-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = () => join(folder, `${files++}.json`)

testProvider(test, () => new InMemoryProvider(), { title: 'InMemoryProvider', shared: false, durable: false })

testProvider(test, () => new FileStateProvider(newFile()), { title: 'FileStateProvider', shared: false })

testProvider(test, () => new ShelfProvider('one'), { title: 'one of a user', timeoutMs: 2000 })

// A key is written as often as it changes; the list of routes is under one key, so one test after the other.
const kv = new Map()
const store = { get: async (key) => kv.get(key), put: async (key, value) => void kv.set(key, value) }
testProvider(test.serial, () => new KVStateProvider(store, { writeEveryMs: 0, maxRoutes: 100_000 }), {
  title: 'KVStateProvider',
})

// what the suite finds

/** Registers the suite for a provider and runs it; gives the names of the tests that failed. */
const failures = async (makeProvider, options = {}) => {
  const tests = []
  testProvider((name, run) => tests.push({ name, run }), makeProvider, {
    title: 'x',
    routes: 50,
    timeoutMs: 50,
    ...options,
  })
  const failed = []
  for (const { name, run } of tests) {
    try {
      await run()
    } catch (error) {
      failed.push(`${name.slice(3)} / ${error.message}`)
    }
  }
  return failed
}

let shelves = 0
/** A shelf of its own, with one method replaced in every provider. */
const broken = (change) => {
  const shelf = `broken ${shelves++}`
  return () => {
    const provider = new ShelfProvider(shelf)
    return Object.assign(provider, change(provider, shelf))
  }
}

for (const [what, [change, clause]] of Object.entries(BREACHES)) {
  test(`the suite finds: ${what}`, async (t) => {
    const failed = await failures(broken(change))
    t.true(
      failed.some((failure) => failure.startsWith(clause)),
      `${clause} failed for none; failed:\n${failed.join('\n')}`,
    )
  })
}

test('the suite finds nothing wrong with what keeps its promises, and says what it left out', async (t) => {
  const names = []
  const count = (options) => {
    names.length = 0
    testProvider(
      (name) => names.push(name),
      () => new ShelfProvider('x'),
      options,
    )
    return names.length
  }
  t.deepEqual(await failures(() => new ShelfProvider('whole'), { timeoutMs: 60_000 }), [])
  const all = count()
  t.true(names.every((name) => name.startsWith('provider: ')))
  t.is(new Set(names).size, all)
  t.is(count({ durable: false }), all - 2)
  t.is(count({ shared: false }), all - 8)
})

test('a provider that rejects fails with its own error, even if clearing up fails as well', async (t) => {
  const failed = await failures(
    broken(() => ({
      updateVector: () => Promise.reject(new Error('full')),
      deleteVector: () => Promise.reject(new Error('no')),
    })),
  )
  t.true(failed.some((failure) => failure.startsWith('what was written is read') && failure.endsWith('/ full')))
})

test('an argument that is no function is refused', (t) => {
  t.throws(() => testProvider(undefined, () => {}), { instanceOf: TypeError, message: /^test / })
  t.throws(() => testProvider(() => {}, {}), { instanceOf: TypeError, message: /^makeProvider / })
})

test('it registers with node:test, and fails there', (t) => {
  const script = join(folder, 'suite.mjs')
  const entry = import.meta.resolve('atrion/testing')
  const index = import.meta.resolve('atrion')
  writeFileSync(
    script,
    `import test from 'node:test'
import { testProvider } from ${JSON.stringify(entry)}
import { InMemoryProvider } from ${JSON.stringify(index)}
class Forgetful extends InMemoryProvider { async getVector() { return null } }
testProvider(test, () => new InMemoryProvider(), { title: 'memory', shared: false, durable: false })
testProvider(test, () => new Forgetful(), { title: 'forgetful', shared: false })
`,
  )
  const { stdout, status } = spawnSync(process.execPath, ['--test-reporter=tap', script], { encoding: 'utf8', env: {} })
  t.is(status, 1)
  t.regex(stdout, /^ok \d+ - memory: what was written is read to the last bit/m)
  t.notRegex(stdout, /^not ok \d+ - memory/m)
  t.regex(stdout, /^not ok \d+ - forgetful: what was written is read to the last bit/m)
})
