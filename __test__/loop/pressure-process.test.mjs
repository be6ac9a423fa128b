// The saturation of the process, as the adapters report it to the engine.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { atrionHttp } from 'atrion/http'
import ava from 'ava'
import { ask, close, listen, watched } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'ts' ? ava.serial.skip : ava.serial

const saturations = async (options, requests = 1) => {
  const { atrion, asked } = watched()
  const server = await listen(createServer(atrionHttp(atrion, (_req, res) => res.end(), options)))
  const statuses = []
  for (let i = 0; i < requests; i++) statuses.push((await ask(server, '/')).status)
  await close(server)
  return { saturations: asked.map(({ saturation }) => saturation), statuses }
}

test('a healthy process is far from full', async (t) => {
  const { saturations: seen, statuses } = await saturations({}, 5)
  t.true(seen.every((saturation) => saturation >= 0 && saturation <= 0.5))
  t.deepEqual(statuses, Array(5).fill(200))
})

test('with everything turned off, only own signals count', async (t) => {
  t.deepEqual((await saturations({ pressure: false })).saturations, [0])
  t.deepEqual((await saturations({ pressure: false, signals: [() => 0.25, () => 0.4, () => 0.1] })).saturations, [0.4])
})

test('signals are numbers from 0 to 1, and whatever else they are harms nothing', async (t) => {
  const boom = () => {
    throw new Error('a signal of the test')
  }
  const nonsense = [boom, () => Number.NaN, () => -1, () => '0.9', () => undefined, () => ({}), () => 0.3]
  t.deepEqual((await saturations({ pressure: false, signals: nonsense })).saturations, [0.3])
  t.deepEqual((await saturations({ pressure: false, signals: [() => Number.POSITIVE_INFINITY] })).saturations, [1])
})

test('a full process refuses normal requests', async (t) => {
  t.deepEqual((await saturations({ pressure: false, signals: [() => 1] })).statuses, [503])
  const important = { pressure: false, signals: [() => 1], tier: () => 'critical' }
  t.deepEqual((await saturations(important)).statuses, [200])
})

test('signals are asked once in a while, not with every request', async (t) => {
  let asked = 0
  const signal = () => {
    asked += 1
    return 0
  }
  const startMs = performance.now()
  await saturations({ pressure: false, signals: [signal] }, 40)
  t.true(asked <= 1 + (performance.now() - startMs) / 100, `asked ${asked} times`)
})

/** Fills the heap until the adapter reports that memory runs out, or until three quarters, which is healthy. */
const FILL = `
const { getHeapStatistics } = require('node:v8')
const { Atrion } = require('atrion')
const { atrionHttp } = require('atrion/http')
const [, to] = process.argv
const hoard = []
const share = () => getHeapStatistics().used_heap_size / (128 * 2 ** 20)
while (share() < Number(to)) hoard.push(new Array(10_000).fill(1.5))
const atrion = new Atrion()
let saturation = 0
const acquire = atrion.acquire.bind(atrion)
atrion.acquire = (routeId, options) => {
  saturation = options.saturation
  return acquire(routeId, options)
}
const guarded = atrionHttp(atrion, () => {}, { pressure: { eventLoop: false, cgroup: false } })
const { IncomingMessage, ServerResponse } = require('node:http')
const request = () => {
  const req = new IncomingMessage(null)
  guarded(req, new ServerResponse(req))
}
let left = 12
const timer = setInterval(() => {
  request()
  if (--left > 0) return
  clearInterval(timer)
  console.log(saturation)
  process.exit(hoard.length > 0 ? 0 : 1)
}, 110)
`

test('a heap that is three quarters full is healthy; one near its limit is not', async (t) => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const fill = async (share) => {
    const args = ['--max-old-space-size=128', '-e', FILL, share]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd })
    return Number(stdout)
  }
  const [healthy, full] = await Promise.all([fill('0.72'), fill('0.93')])
  t.is(healthy, 0)
  t.true(full > 0.6, `saturation ${full}`)
})
