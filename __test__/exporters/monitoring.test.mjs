// The files shipped for Grafana and Prometheus: every query of the dashboard and of the alerts returns data from a Prometheus that scrapes a
// service in an overload, and each alert fires at what it should.
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Atrion, InMemoryProvider } from 'atrion'
import { atrionHttp } from 'atrion/http'
import { atrionPrometheus } from 'atrion/prometheus'
import test from 'ava'
import { close, listen } from '../_adapters.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'
import { missing, promtool } from './_promtool.mjs'

const checked = missing === undefined ? test : test.skip
const FOLDER = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'monitoring')
const DASHBOARD = JSON.parse(readFileSync(join(FOLDER, 'grafana-dashboard.json'), 'utf8'))
const ALERTS = readFileSync(join(FOLDER, 'alerts.yml'), 'utf8')

const panels = DASHBOARD.panels.filter(({ type }) => type !== 'row')
const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr, refId }) => ({ of: `${title} ${refId}`, expr })),
)

/** Names of metrics in a query. */
const metricsIn = (text) =>
  [...text.matchAll(/\batrion_\w+(?=[{[ )])/g)]
    .map(([name]) => name)
    .filter((name) => !/^atrion_(route|tier|result|limited_by|mode|order)$/.test(name))

test('the dashboard is one that Grafana can load: panels with ids of their own, within the grid, none over another', (t) => {
  t.is(new Set(DASHBOARD.panels.map(({ id }) => id)).size, DASHBOARD.panels.length)
  const cells = new Set()
  for (const { title, gridPos } of DASHBOARD.panels) {
    t.true(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.false(cells.has(`${x} ${y}`), `${title} lies over another panel`)
        cells.add(`${x} ${y}`)
      }
    }
  }
  for (const { title, datasource, targets } of panels) {
    t.is(datasource.uid, `\${${'datasource'}}`, title)
    t.true(targets.length > 0, title)
  }
  t.deepEqual(
    DASHBOARD.templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance', 'route'],
  )
})

test('every series that there is, is on the dashboard', (t) => {
  const source = readFileSync(join(FOLDER, '..', 'docs', 'reference', 'metrics.md'), 'utf8')
  const shown = new Set(
    queries.flatMap(({ expr }) => metricsIn(expr)).map((name) => name.replace(/_(bucket|sum|count)$/, '')),
  )
  const there = [...source.matchAll(/<br>`(\w+)`/g)].map(([, name]) => name)
  t.true(there.length > 15)
  t.deepEqual(
    there.filter((name) => !shown.has(name)),
    [],
  )
  t.deepEqual(
    [...shown].filter((name) => !there.includes(name)),
    [],
  )
})

checked('the alerts are rules that promtool takes, and each fires at what it should', async (t) => {
  const check = await promtool(['check', 'rules', 'alerts.yml'], '', FOLDER)
  t.is(check.code, 0, check.output)
  const result = await promtool(['test', 'rules', 'alerts.test.yml'], '', FOLDER)
  t.is(result.code, 0, result.output)
  // The tests name every alert, and fail where a rule is another.
  const tests = readFileSync(join(FOLDER, 'alerts.test.yml'), 'utf8')
  const names = [...ALERTS.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
  t.is(names.length, 6)
  for (const name of names) t.regex(tests, new RegExp(`alertname: ${name}\\n {8}exp_alerts:`), name)
  const folder = mkdtempSync(join(tmpdir(), 'atrion-alerts-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'alerts.yml'), ALERTS.replaceAll('> 0.01', '> 0.5'))
  writeFileSync(join(folder, 'alerts.test.yml'), tests)
  t.not((await promtool(['test', 'rules', 'alerts.test.yml'], '', folder)).code, 0)
})

/** A store that knows of two other nodes. */
class Store extends InMemoryProvider {
  stats() {
    return { nodes: 2 }
  }
}

/** A service of two routes of one place each, one of which fails, whose clients ask for more than it can carry until it is closed. */
const overloaded = async () => {
  const atrion = new Atrion({ engine, provider: new Store(), watchdog: true })
  await atrion.connect()
  const metrics = atrionPrometheus(atrion, { traceId: () => 'b7ad6b7169203331' })
  for (const route of ['slow', 'failing']) atrion.configure(route, { limits: { min: 1, max: 1, initial: 1 } })
  atrion.override('ordered', 'open')
  const scrapes = new EventEmitter()
  const route = ({ url }) => url.slice(1).split('?')[0]
  const tier = ({ url }) => new URL(url, 'http://host').searchParams.get('tier') ?? undefined
  const handler = (request, response) => {
    if (request.url === '/metrics') {
      response.on('close', () => scrapes.emit('scrape'))
      return metrics(request, response)
    }
    const done = () => {
      response.statusCode = route(request) === 'failing' ? 500 : 200
      response.end('ok')
    }
    return setTimeout(done, 20)
  }
  const server = await listen(http.createServer(atrionHttp(atrion, handler, { route, tier, maxWaitMs: 50 })))
  const { port } = server.address()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  let isOver = false
  const ask = (path) =>
    new Promise((resolve) => {
      http
        .get({ port, path, agent, host: '127.0.0.1' }, (response) => response.resume().on('end', resolve))
        .on('error', resolve)
    })
  const client = async (path) => {
    while (!isOver) {
      await ask(path)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  /** Calls of another service, whose answers wait in a blocked event loop: once between two scrapes, as a loop that is blocked often excuses none. */
  const caller = async () => {
    const ask = () => atrion.run('called', () => new Promise((resolve) => setTimeout(resolve, 20)))
    while (!isOver) {
      // Those that wait for nothing tell how long the other service takes.
      for (let i = 0; i < 10; i++) await ask()
      const call = ask()
      await new Promise(setImmediate)
      for (const until = performance.now() + 100; performance.now() < until; );
      await call
      if (!isOver) await once(scrapes, 'scrape')
    }
  }
  const paths = ['bulk', 'normal', 'critical'].flatMap((name) => [`/slow?tier=${name}`, `/failing?tier=${name}`])
  const clients = [...[...paths, ...paths, '/ordered'].map(client), caller()]
  return {
    port,
    /** Resolves when the metrics have been read the next time. */
    scraped: () => once(scrapes, 'scrape'),
    async end() {
      isOver = true
      scrapes.emit('scrape')
      await Promise.all(clients)
      agent.destroy()
      metrics.close()
      await close(server)
      await atrion.disconnect()
    },
  }
}

/** A Prometheus that scrapes a port every second; resolves to a function that asks it, and a promise of its end. */
const prometheus = async (t, port) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-prometheus-'))
  const scrape = `global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [${JSON.stringify(join(FOLDER, 'alerts.yml'))}]\nscrape_configs:\n  - job_name: service\n    static_configs: [{ targets: ['127.0.0.1:${port}'] }]\n`
  writeFileSync(join(folder, 'prometheus.yml'), scrape)
  const free = await listen(http.createServer())
  const own = free.address().port
  await close(free)
  const args = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${own}`,
    '--log.level=error',
  ]
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (chunk) => {
    log += chunk
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const ask = async (path, params = {}) => {
    if (child.exitCode !== null) throw new Error(`prometheus has ended: ${log}`)
    const url = new URL(path, `http://127.0.0.1:${own}`)
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
    try {
      return await (await fetch(url)).json()
    } catch {
      return undefined // not there yet
    }
  }
  return { ask, ended }
}

if (engine === 'native') {
  checked(
    'every query of the dashboard returns data of a service in an overload, and no alert is broken',
    async (t) => {
      t.timeout(4 * PATIENCE_MS)
      const service = await overloaded()
      t.teardown(() => service.end())
      const { ask, ended } = await prometheus(t, service.port)
      const filled = (expr) =>
        expr
          .replaceAll('$__rate_interval', '10s')
          .replaceAll(/"\$(job|instance|route)"/g, '".*"')
          .replaceAll(/\[[15]m\]/g, '[10s]')
      /** True when a query has a number that is one. */
      const hasData = async (expr) => {
        const answer = await ask('/api/v1/query', { query: filled(expr) })
        if (answer === undefined) return false
        if (answer.status !== 'success') throw new Error(`${expr}: ${answer.error}`)
        return answer.data.result.some(({ value }) => Number.isFinite(Number(value[1])))
      }
      const deadline = performance.now() + 3 * PATIENCE_MS
      let waiting = [
        ...queries,
        ...DASHBOARD.annotations.list.map(({ name, expr }) => ({ of: name, expr: expr.replace(/ > 0$/, '') })),
      ]
      while (waiting.length > 0) {
        const left = []
        for (const query of waiting) if (!(await hasData(query.expr))) left.push(query)
        waiting = left
        if (waiting.length > 0 && performance.now() > deadline) break
        if (waiting.length > 0) await Promise.race([service.scraped(), ended])
      }
      t.deepEqual(waiting, [], 'queries without data')
      const { data } = await ask('/api/v1/targets')
      t.deepEqual(
        data.activeTargets.map(({ health, lastError }) => [health, lastError]),
        [['up', '']],
      )
      const rules = await ask('/api/v1/rules')
      for (const { name, health, lastError } of rules.data.groups.flatMap((group) => group.rules))
        t.is(health, 'ok', `${name}: ${lastError}`)
      const exemplars = await ask('/api/v1/label/atrion_limited_by/values')
      t.true(exemplars.data.includes('override'))
      for (const { name, query } of DASHBOARD.templating.list.filter(({ type }) => type === 'query')) {
        const [, , label] = /^label_values\(([^,]+(?:\{.*\})?), (\w+)\)$/.exec(query.query)
        t.true((await ask(`/api/v1/label/${label}/values`)).data.length > 0, name)
      }
    },
  )
}
