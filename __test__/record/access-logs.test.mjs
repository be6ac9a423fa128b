// Access logs of other tools become requests, and settings are tried and proposed on them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Atrion, VirtualClock } from 'atrion'
import { sourceOf } from '../_source.mjs'
import { cli, numbers } from './_drive.mjs'

const { formatOf, LogReader, routeOf } = await sourceOf('replay/access-log.ts')

let folder
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'atrion-logs-'))
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

const put = (name, text) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Requests to a pool of eight servers, half a minute, with more than they can do in the middle. */
function requests() {
  const random = numbers(5)
  const free = Array(8).fill(0)
  const all = []
  let t = Date.UTC(2026, 0, 5, 10, 0, 0)
  for (let i = 0; i < 5000; i++) {
    t += -Math.log(1 - random()) * (i > 1200 && i < 3800 ? 2 : 8)
    const server = free.indexOf(Math.min(...free))
    const end = Math.max(t, free[server]) + 20 + 20 * random()
    free[server] = end
    all.push({ t, end, took: end - t, path: i % 3 ? `/orders/${i}?q=1` : '/catalog', status: i % 50 === 0 ? 502 : 200, ip: `10.0.0.${i % 200}` })
  }
  return all.sort((a, b) => a.end - b.end)
}

const two = (n) => String(n).padStart(2, '0')
const clf = (ms) => {
  const d = new Date(ms)
  return `${two(d.getUTCDate())}/Jan/${d.getUTCFullYear()}:${two(d.getUTCHours() + 2)}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} +0200`
}

const WRITTEN = {
  nginx: (q) =>
    `${q.ip} - - [${clf(q.end)}] "GET ${q.path} HTTP/1.1" ${q.status} 512 "-" "Mozilla/5.0 (X11; \\"q\\" Linux)" ${(q.took / 1000).toFixed(3)}`,
  apache: (q) =>
    `${q.ip} - frank [${clf(q.t)}] "GET ${q.path} HTTP/1.0" ${q.status} 2326 "http://example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)" ${Math.round(q.took * 1000)}`,
  envoy: (q) =>
    `[${new Date(q.t).toISOString()}] "GET ${q.path} HTTP/2" ${q.status} - 0 154 ${Math.round(q.took)} ${Math.round(q.took)} "${q.ip}" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"`,
  pino: (q, i) =>
    [
      { level: 30, time: Math.round(q.t), reqId: `req-${i}`, req: { method: 'GET', url: q.path, remoteAddress: q.ip }, msg: 'incoming request' },
      { level: 30, time: Math.round(q.end), reqId: `req-${i}`, res: { statusCode: q.status }, responseTime: q.took, msg: 'request completed' },
    ]
      .map((line) => JSON.stringify(line))
      .join('\n'),
}

for (const [format, write] of Object.entries(WRITTEN)) {
  test(`a log of ${format} is found by its content, and its requests are run again`, async (t) => {
    const lines = requests().map(write)
    const path = put(`${format}.log`, `${lines.slice(0, 9).join('\n')}\nnot a line of it\n${lines.slice(9).join('\n')}\n`)
    const { code, stdout } = await cli('replay', path, '--json')
    t.is(code, 0)
    const report = JSON.parse(stdout)
    t.is(report.format, format)
    t.is(report.requests, 5000)
    t.is(report.unread, 1)
    t.is(report.untimed, 0)
    t.true(Math.abs(report.spanMs - 24_400) < 3000, `${report.spanMs}`)
    t.deepEqual(report.plants.map(({ route }) => route).sort(), ['GET /catalog', 'GET /orders/:id'])
    const servers = report.plants.reduce((sum, plant) => sum + plant.servers, 0)
    t.true(servers >= 6 && servers <= 18, `${servers}`)
    for (const { failedShare } of report.plants) t.true(failedShare > 0.01 && failedShare < 0.04)
    const [without, defaults] = report.fitted
    t.is(without.name, 'no admission control')
    t.true(defaults.good > without.good, 'admission control answers more in time')
    const text = (await cli('replay', path, '--format', format)).stdout
    t.regex(text, /1 lines were not understood, the first: line \d+: not a line of it/)
  })
}

test('lines are read as their formats say', (t) => {
  const nginx = '1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] "GET /a HTTP/1.1" 200 5 "-" "ua" 0.250'
  t.is(formatOf([nginx]), 'nginx')
  t.like(new LogReader('nginx').read(nginx), { atMs: Date.UTC(2025, 9, 10, 20, 55, 36) - 250, tookMs: 250, status: 200, client: '1.2.3.4' })
  const apache = nginx.replace('0.250', '250000')
  t.is(formatOf([apache]), 'apache')
  t.like(new LogReader('apache').read(apache), { atMs: Date.UTC(2025, 9, 10, 20, 55, 36), tookMs: 250 })
  const plain = nginx.replace(' 0.250', '')
  t.is(new LogReader('nginx').read(plain).tookMs, Number.NaN)
  const http = '{"level":30,"time":1700000000500,"req":{"id":1,"method":"POST","url":"/x"},"res":{"statusCode":503},"responseTime":40,"msg":"done"}'
  t.like(new LogReader('pino').read(http), { atMs: 1_700_000_000_460, status: 503, method: 'POST' })
  t.is(new LogReader('pino').read('{"level":30,"time":1,"msg":"listening"}'), null)
  for (const line of ['', '{', 'null', '[] []', '{"time":{}}', '"'.repeat(70_000)]) {
    for (const format of ['nginx', 'apache', 'envoy', 'pino']) t.falsy(new LogReader(format).read(line))
  }
  t.is(routeOf('GET', '/users/42/orders/9f8e7d6c5b4a?x=1'), 'GET /users/:id/orders/:id')
  t.is(routeOf('GET', 'http://h/v1/me@x.org/'), 'GET /v1/:id/')
})

test('settings are proposed with their uncertainty', async (t) => {
  const path = put('tune.log', requests().map(WRITTEN.nginx).join('\n'))
  const { code, stdout } = await cli('tune', path, '--json', '--seeds', '2')
  t.is(code, 0)
  const { tried, presentPerS } = JSON.parse(stdout)
  t.true(presentPerS > 20)
  t.true(tried.length >= 6)
  for (const { name, gainPerS, fromPerS, toPerS } of tried) {
    t.true(fromPerS <= gainPerS && gainPerS <= toPerS, name)
  }
  const text = (await cli('tune', path, '--seeds', '1')).stdout
  t.regex(text, /90 % interval/)
  t.regex(text, /proposal/)
  t.is((await cli('tune', '--help')).code, 0)
  t.is((await cli('tune')).code, 2)
  t.is((await cli('tune', path, '--seeds', '0')).code, 2)
})

test('a recording is tuned as a log is', async (t) => {
  const path = join(folder, 'tune.rec')
  const clock = new VirtualClock(1_700_000_000_000)
  const atrion = new Atrion({ clock })
  const recording = atrion.record(path)
  const ends = []
  const random = numbers(3)
  for (let i = 0; i < 3000; i++) {
    clock.advance(random() * 4)
    while (ends.length > 0 && ends[0].at <= clock.now()) ends.shift().permit.release()
    const permit = atrion.acquire('GET /a', { tier: 'normal' })
    if (permit.allow) ends.push({ at: Math.max(ends.at(-1)?.at ?? 0, clock.now()) + 3, permit })
  }
  for (const { permit } of ends) permit.release()
  await recording.stop()
  const { code, stdout } = await cli('tune', path, '--seeds', '1')
  t.is(code, 0)
  t.regex(stdout, /^coverage/)
  t.regex(stdout, /with the recorded settings they come to|with the recorded/)
})

test('the bootstrap knows the mean of what it is given', async (t) => {
  const { bootstrap } = await sourceOf('replay/tune.ts')
  t.deepEqual(bootstrap([2, 2, 2], 'x'), [2, 2, 2])
  const random = numbers(11)
  const values = Array.from({ length: 400 }, () => random())
  const [mean, from, to] = bootstrap(values, 'y')
  t.true(Math.abs(mean - 0.5) < 0.05)
  // 1.645 · σ / √n = 0.0237 to either side.
  t.true(Math.abs((to - from) / 2 - 0.0237) < 0.006, `${to - from}`)
})

test('formats as they are found in the field: the request\'s own time, its client, and its offset', (t) => {
  const at = '10/Oct/2023:13:55:36 +0000'
  const head = `10.0.0.9 - - [${at}] "GET /a HTTP/1.1" 200 612`
  const envoyHead = '[2023-10-10T13:55:36.000Z] "GET /a HTTP/1.1" 200 -'
  const envoyTail = '"10.0.0.9" "curl/8" "id" "host" "10.0.0.1:80"'
  const pino = (line) => JSON.stringify({ res: { statusCode: 200 }, req: { method: 'GET', url: '/a', remoteAddress: '10.0.0.9' }, ...line })
  const lines = {
    nginx: [
      `${head} "-" "curl/8" 0.123`,
      `${head} "-" "curl/8" "203.0.113.1" 0.123`,
      `${head} "-" "curl/8" "-" rt=0.123 uct="0.000" uht="0.100" urt="0.100"`,
      `${head} "-" "curl/8" rt=0.123 urt=-`,
      `${head} "-" "curl/8" 0.123 0.120 .`,
      `${head} "-" "curl/8" 0.123 -`,
      `${head} "-" "curl/8" 78 0.123 [default-svc-80] [] 10.0.0.1:80 612 0.120 200 2c1d8a8f6e2d4f7d9`,
      `${head} "0.123" "0.100"`,
      // A client makes up its referer and its user agent.
      `${head} "9.999" "0.001" 0.123`,
      `${head} "-" "x rt=9.999 " rt=0.123`,
    ],
    apache: [
      `${head} "-" "curl/8" 123000`,
      `${head} "-" "curl/8" 0/123000`,
      `${head} 123000`,
      `www.example.com:443 ${head} "-" "curl/8" 123000`,
      `${head.replace('36 +0000', '36.500 +0000')} "-" "curl/8" 123000`,
      `${head.replace('13:55:36 +0000', '19:25:36 +0530')} "-" "curl/8" 123000`,
    ],
    envoy: [
      `${envoyHead} 0 612 123 100 ${envoyTail}`,
      `${envoyHead} via_upstream - "-" 0 612 123 100 ${envoyTail}`,
      `${envoyHead} upstream_reset{connection_failure,error:_111} - "delayed connect error: 111" 0 612 123 - ${envoyTail}`,
      `${envoyHead.replace('13:55:36.000Z', '15:55:36.000+02:00')} 0 612 123 100 ${envoyTail}`,
    ],
    pino: [
      pino({ time: Date.UTC(2023, 9, 10, 13, 55, 36), responseTime: 123 }),
      pino({ time: Date.UTC(2023, 9, 10, 13, 55, 36) / 1000, responseTime: 123 }),
      pino({ time: '2023-10-10T13:55:36.000Z', responseTime: '123' }),
      pino({ timestamp: '2023-10-10T15:55:36.000+02:00', responseTime: 123 }),
    ],
  }
  for (const [format, all] of Object.entries(lines)) {
    for (const line of all) {
      t.is(formatOf([line]), format, line)
      const { atMs, tookMs, path, status, client } = new LogReader(format).read(line)
      t.deepEqual({ tookMs, path, status, client }, { tookMs: 123, path: '/a', status: 200, client: '10.0.0.9' }, line)
      // Apache and Envoy log the time at which a request came, nginx and pino that of its end.
      const begins = format === 'apache' || format === 'envoy'
      t.is(atMs, Date.UTC(2023, 9, 10, 13, 55, 36) - (begins ? 0 : 123), line)
    }
  }
})

test('times that no clock shows are none', (t) => {
  for (const at of ['32/Oct/2023:13:55:36', '30/Feb/2023:13:55:36', '00/Oct/2023:13:55:36', '10/Oct/2023:24:55:36', '10/Oct/2023:13:60:36', '10/Oct/2023:13:55:61']) {
    for (const format of ['nginx', 'apache']) t.is(new LogReader(format).read(`1.2.3.4 - - [${at} +0000] "GET /a HTTP/1.1" 200 5 "-" "ua" 12`), undefined, at)
  }
})
