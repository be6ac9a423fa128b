// The example applications of the frameworks: compiled as their users would compile them, and asked over real sockets.
import { execFile, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ava from 'ava'
import { entryOf, ROOT } from '../../scripts/lib/process.mjs'
import { until } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'ts' ? ava.skip : ava

const FRAMEWORKS = ['express', 'fastify', 'hono', 'koa', 'nest']
const BUILT = join(ROOT, '.cache', 'examples', engine)

ava.before('they compile under strict settings', async (t) => {
  t.timeout(PATIENCE_MS)
  const args = [entryOf('typescript', 'tsc'), '-p', join(ROOT, 'examples', 'tsconfig.json'), '--outDir', BUILT]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT }).catch((error) => error)
  t.is(stdout, '')
})

test('every framework has an example', (t) => {
  const folders = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.deepEqual(
    folders
      .map(({ name }) => name)
      .filter((name) => name !== 'adapters')
      .sort(),
    FRAMEWORKS,
  )
})

/** The `start` of an example, once it is compiled. */
const startOf = (name) => createRequire(import.meta.url)(join(BUILT, name, 'main.js')).start

/** A database that answers when it is let. */
const database = () => {
  const waiting = []
  return {
    query: (what) => new Promise((resolve) => waiting.push(() => resolve(what))),
    answer: () => {
      for (const one of waiting.splice(0)) one()
    },
    get held() {
      return waiting.length
    },
  }
}

const json = async (reply) => (await reply).json()

for (const name of FRAMEWORKS) {
  test(`examples/${name}: what it cannot carry is refused, payments last, and health is answered throughout`, async (t) => {
    const store = database()
    const shop = await startOf(name)(store.query, 0)
    const call = (path, options) => fetch(shop.url + path, options)
    const health = () => json(call('/health'))
    const admitted = []
    // Reports fill the database until one of them is refused.
    let refusal
    while (refusal === undefined) {
      const before = store.held
      const reply = call('/reports')
      reply.then((given) => {
        if (given.status === 503) refusal = given
      })
      await until(() => store.held > before || refusal !== undefined)
      if (refusal === undefined) admitted.push(reply)
    }
    t.true(admitted.length >= 1 && admitted.length <= 8, `${admitted.length} reports`)
    t.regex(refusal.headers.get('retry-after'), /^[1-9]\d*$/)
    t.regex(refusal.headers.get('content-type'), /^application\/problem\+json/)
    t.is((await refusal.json()).status, 503)
    t.is((await call('/products/7')).status, 503)
    t.is((await health())['GET /reports'], admitted.length)
    const held = store.held
    const paid = call('/checkout', { method: 'POST' })
    await until(() => store.held === held + 1)
    store.answer()
    t.deepEqual(await json(paid), { paid: 'order' })
    for (const reply of admitted) t.deepEqual(await json(reply), { report: 'sales' })
    // With room again, everything is.
    const product = call('/products/7')
    await until(() => store.held === 1)
    // Requests in flight are answered before the shop ends.
    const closed = shop.close()
    store.answer()
    t.deepEqual(await json(product), { product: '7' })
    await closed
    await t.throwsAsync(call('/health'))
  })

  test(`examples/${name}: SIGTERM ends the program when what is in flight is answered`, async (t) => {
    const child = spawn(process.execPath, [join(BUILT, name, 'main.js')], { timeout: PATIENCE_MS })
    t.teardown(() => child.kill('SIGKILL'))
    let output = ''
    let complaints = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      complaints += chunk
    })
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
    await until(() => /listening on (\S+)/.test(output) || child.exitCode !== null)
    const url = /listening on (\S+)/.exec(output)?.[1]
    t.truthy(url, complaints)
    t.deepEqual(await json(fetch(`${url}/products/7`)), { product: '7' })
    if (process.platform === 'win32') child.kill()
    else {
      child.kill('SIGTERM')
      t.deepEqual(await ended, { code: 0, signal: null }, complaints)
      t.regex(output, /^closed$/m)
    }
    t.is(complaints, '')
  })
}
