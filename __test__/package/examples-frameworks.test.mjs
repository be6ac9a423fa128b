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

// One after the other: each turns the event loop while it waits.
const test = engine === 'ts' ? ava.skip : ava.serial

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
    t.timeout(PATIENCE_MS)
    const store = database()
    const shop = await startOf(name)(store.query, 0)
    const call = (path, options) => fetch(shop.url + path, options)
    const health = () => json(call('/health'))
    /** The reply once the shop has decided: a refusal is there, what is admitted is held by the database. */
    const decided = async (path) => {
      const before = store.held
      let status
      const reply = call(path)
      reply.then((given) => {
        status = given.status
      })
      await until(() => store.held > before || status !== undefined)
      return { reply, isRefused: status === 503 }
    }
    // Reports fill the database until one of them is refused, and a product as well: a busy machine may refuse what can best be spared before it is full.
    const reports = []
    const products = []
    let refused
    while (refused === undefined) {
      const report = await decided('/reports')
      if (!report.isRefused) {
        reports.push(report.reply)
        continue
      }
      const product = await decided('/products/7')
      if (product.isRefused) refused = [report, product]
      else products.push(product.reply)
    }
    t.true(store.held >= 1 && store.held <= 8, `${store.held} in flight`)
    for (const { reply } of refused) {
      const refusal = await reply
      t.regex(refusal.headers.get('retry-after'), /^[1-9]\d*$/)
      t.regex(refusal.headers.get('content-type'), /^application\/problem\+json/)
      t.is((await refusal.json()).status, 503)
    }
    t.is((await health())['GET /reports'], reports.length)
    const held = store.held
    const paid = call('/checkout', { method: 'POST' })
    await until(() => store.held === held + 1)
    store.answer()
    t.deepEqual(await json(paid), { paid: 'order' })
    for (const reply of reports) t.deepEqual(await json(reply), { report: 'sales' })
    for (const reply of products) t.deepEqual(await json(reply), { product: '7' })
    // With room again, products are admitted.
    let product = await decided('/products/7')
    while (product.isRefused) product = await decided('/products/7')
    // Requests in flight are answered before the shop ends.
    const closed = shop.close()
    store.answer()
    t.deepEqual(await json(product.reply), { product: '7' })
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
