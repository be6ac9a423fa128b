// The cost of Studio, and its speed: `npm run bench:studio -- --help`.
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cliOf } from '../../scripts/lib/cli.mjs'
import { chromiumPath, chromiumProblem } from '../../scripts/lib/packages.mjs'
import { ROOT } from '../../scripts/lib/process.mjs'

const VIEWERS = 5
const SAMPLES = 60
const PAINTS = 9

const USAGE = `Usage: npm run bench:studio -- [options]

Measures Studio: the cost of a permit with Studio at rest, the share of a core for five viewers of 200 routes, how late an update
is, the first paint in Chromium (where npm run test:edge has installed its driver), and memory under a million names. Exits with 1
when a target is missed: on a machine with nothing else to do.

  --seconds <n>   of each measurement of the CPU, 5 to 300 (default 20)
  --help          this text`

const { number } = cliOf(USAGE, { options: { seconds: { type: 'string' } } })
const seconds = number('seconds', 5, 300) ?? 20

/** The service, as functions that ask it. */
const startService = () => {
  const child = fork(fileURLToPath(new URL('./service.mjs', import.meta.url)), { execArgv: ['--expose-gc'] })
  const waiting = new Map()
  let id = 0
  child.on('message', (message) => {
    waiting.get(message.id)(message.answer)
    waiting.delete(message.id)
  })
  child.once('exit', (code) => {
    if (waiting.size === 0) return
    console.error(`the service ended with ${code}`)
    process.exit(1)
  })
  const ask = (name, given) =>
    new Promise((resolve) => {
      id += 1
      waiting.set(id, resolve)
      child.send({ id, name, given })
    })
  return { ask, end: () => child.kill() }
}

/** A viewer; `onText` is called with what comes, and when. */
const view = (port, onText = () => {}) =>
  new Promise((resolve, reject) => {
    const request = get({ port, path: '/atrion/events?sort=name', agent: false }, (response) => {
      response.setEncoding('utf8').on('data', (text) => onText(text, performance.timeOrigin + performance.now()))
      response.on('error', () => {})
      resolve({ close: () => request.destroy() })
    })
    request.once('error', reject)
  })

const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]

const shareOfCore = async (ask) => {
  const before = await ask('cpu')
  await pause(1_000 * seconds)
  const after = await ask('cpu')
  return (after.cpuMs - before.cpuMs) / (after.nowMs - before.nowMs)
}

const rows = []
const row = (what, value, unit, most) => {
  rows.push({ what, isMissed: most !== undefined && value > most })
  const target = most === undefined ? '' : `at most ${most} ${unit}${value > most ? '  MISSED' : ''}`
  console.log(
    `${what.padEnd(58)} ${value.toFixed(unit === '%' || unit === 'ns' ? 2 : 1).padStart(9)} ${unit.padEnd(4)} ${target}`,
  )
}

const measureLag = async (ask, port) => {
  const lags = []
  let name
  let at
  let seen
  const viewer = await view(port, (text, nowMs) => {
    if (name !== undefined && seen === undefined && text.includes(name)) seen = nowMs
  })
  await pause(1_000)
  for (let i = 0; i < SAMPLES; i++) {
    seen = undefined
    // Each name comes before all others.
    name = `A${String(SAMPLES - i).padStart(4, '0')}`
    ;({ at } = await ask('appear', { name }))
    while (seen === undefined) await pause(1)
    lags.push(seen - at)
    await pause(50 + Math.random() * 200)
  }
  viewer.close()
  return lags
}

/** First paint, and the first row of the table, ms after the navigation began. */
const measurePaint = async (port) => {
  const driver = join(ROOT, '.cache', 'edge', 'package.json')
  const problem = chromiumProblem() ?? (existsSync(driver) ? undefined : 'npm run test:edge installs its driver')
  if (problem !== undefined) {
    console.log(`The first paint is left out: ${problem}`)
    return undefined
  }
  const { chromium } = createRequire(driver)('playwright-core')
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ['--headless', '--no-sandbox', '--disable-gpu'],
  })
  const paints = []
  try {
    for (let i = 0; i < PAINTS; i++) {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${port}/atrion`)
      await page.locator('#table tbody tr').first().waitFor()
      paints.push(
        await page.evaluate(
          "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()",
        ),
      )
      await page.close()
    }
  } finally {
    await browser.close()
  }
  return paints
}

const { ask, end } = startService()
try {
  const { port } = await ask('listen')
  const hot = await ask('hotPath', { rounds: 200, calls: 50_000 })
  row('a permit without Studio, median', hot.bareNs, 'ns')
  row('… with Studio at rest: more by', hot.differenceNs, 'ns', 3)

  await ask('load', { on: true })
  const alone = await shareOfCore(ask)
  const viewers = await Promise.all(Array.from({ length: VIEWERS }, () => view(port)))
  await pause(3_000)
  const watched = await shareOfCore(ask)
  row('200 routes without a viewer: the load itself', 100 * alone, '%')
  row(`… ${VIEWERS} viewers: more by`, 100 * (watched - alone), '%', 1)
  for (const viewer of viewers) viewer.close()
  await ask('load', { on: false })
  await pause(10_000)

  const lags = await measureLag(ask, port)
  row('an update reaches a viewer, median', quantile(lags, 0.5), 'ms')
  row('… 99th percentile', quantile(lags, 0.99), 'ms', 250)

  const paints = await measurePaint(port)
  if (paints !== undefined) row('first paint, median', quantile(paints, 0.5), 'ms', 300)

  const viewer = await view(port)
  const early = await ask('hostile', { from: 0, count: 200_000 })
  const late = await ask('hostile', { from: 200_000, count: 800_000 })
  viewer.close()
  row('memory after 200,000 names with a viewer', early.bytes / 2 ** 20, 'MiB')
  row('… 800,000 names later: more by', (late.bytes - early.bytes) / 2 ** 20, 'MiB', 4)
} finally {
  end()
}
process.exitCode = rows.some(({ isMissed }) => isMissed) ? 1 : 0
