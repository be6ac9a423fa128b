// Traffic that uses all of an instance, for recordings; and the command that replays them.
import { execFile } from 'node:child_process'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Atrion, VirtualClock } from 'atrion'

export const CLI = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url))
const TIERS = ['critical', 'high', 'normal', 'low', 'bulk']

/** An instance in virtual time, from a date on that a recording may have. */
export const virtual = (options = {}) => {
  const clock = new VirtualClock(1_700_000_000_000)
  return { clock, atrion: new Atrion({ clock, slo: { maxAcceptableLatencyMs: 50 }, ...options }) }
}

/** Runs `atrion`; what it printed and its exit code. */
export async function cli(...args) {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args])
    return { code: 0, stdout, stderr }
  } catch ({ code, stdout, stderr }) {
    return { code, stdout, stderr }
  }
}

/** `atrion replay --json`, parsed. */
export async function replayed(path, ...args) {
  const { code, stdout, stderr } = await cli('replay', path, '--json', ...args)
  return { code, stderr, report: stdout === '' ? undefined : JSON.parse(stdout) }
}

/** Numbers in [0, 1), the same in every run. */
export function numbers(seed = 12_345) {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** Requests of all kinds in virtual time: more than the routes carry, waits, leases, orders, changes of settings, routes that are forgotten. */
export async function drive({ atrion, clock }, requests) {
  const random = numbers()
  const open = []
  const leases = []
  const waits = []
  const lanes = { of: (key) => ({ 1: 'ones', 2: 'twos' })[key[1]], reserve: { ones: 0.2, twos: 0.1 } }
  atrion.setRouteProfile('GET /b', { reserve: { critical: 0.2 }, lanes, breakBy: 'key', limits: { max: 20 } })
  atrion.setRouteProfile('GET /p', { pool: 'db' })
  for (let i = 0; i < requests; i++) {
    clock.advance(random() * 3)
    const route = `GET /${'abcp'[i % 4]}`
    const options = { tier: TIERS[i % 5], key: `k${Math.floor(random() ** 2 * 100)}`, weight: 1 + (i % 3) }
    if (i % 11 === 0) options.queueAgeMs = random() * 300
    if (i % 13 === 0) options.saturation = random()
    if (i % 17 === 0) {
      delete options.tier
      options.voltage = random() * 200
    }
    const permit = i % 19 === 0 ? atrion.acquire(route) : atrion.acquire(route, options)
    if (permit.allow) open.push(permit)
    while (open.length > 40 || (random() < 0.4 && open.length > 0)) {
      const [done] = open.splice(Math.floor(random() * open.length), 1)
      done.release(random() < 0.2 ? 'failure' : random() < 0.1 ? 'ignored' : 'success')
    }
    if (i % 23 === 0) waits.push(atrion.enter('GET /b', { tier: TIERS[i % 5], maxWaitMs: 30, key: `k${i % 9}` }))
    if (i % 7 === 0) atrion.route('open', { latencyMs: random() * 300, errorRate: random() * 0.2, saturation: random() })
    if (i % 29 === 0) atrion.route('open', { latencyMs: -1, errorRate: Number.NaN }, { voltage: 20, profile: 'HEAVY' })
    if (i % 101 === 0) atrion.routeBatch(['x', 'y'], new Float64Array([1, 0, 0.5, 200, 0.3, 0.9]))
    if (i % 151 === 0) leases.push(await atrion.startTask('GET /c'))
    if (i % 211 === 0) await leases.shift()?.release()
    if (i === Math.floor(requests / 2)) atrion.configure({ slo: { maxAcceptableLatencyMs: 40 } })
    if (i % 500 === 100) await atrion.resetRoute('GET /c')
    if (i % 500 === 120) atrion.override('GET /a', 'open')
    if (i % 500 === 140) atrion.override('GET /a', null)
    if (i % 700 === 0) atrion.configure({ dryRun: (i / 700) % 2 === 1 })
  }
  await atrion.disconnect()
  for (const permit of await Promise.all(waits)) permit.release()
  for (const permit of open) permit.release()
  for (const lease of leases) await lease.release()
}

/** A stream that holds its third piece until it is released: the pieces that came, and the release. */
export function slowStream() {
  const pieces = []
  let held
  const stream = new Writable({
    highWaterMark: 1,
    write(piece, _, done) {
      pieces.push(Buffer.from(piece))
      if (pieces.length === 3) held = done
      else done()
    },
  })
  return { stream, pieces, release: () => held() }
}
