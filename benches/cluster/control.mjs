/**
 * Patches and bans on five nodes: the time until all of them apply one, over Redis; until all are on one version after a partition; and the
 * cost of the check of a key that is not banned, in an acquire and release.
 */
import { Atrion, InMemoryProvider, RedisStateProvider } from 'atrion'
import { proxyTo } from '../../__test__/_redis/proxy.mjs'
import { quantileOf } from '../lib/statistics.mjs'
import { sleep, until } from './telemetry.mjs'

const NODES = 5
const INTERVAL_MS = 100
const TRIALS = 40
const HEALS = 5
const ROUNDS = 400
/** A round is over before the system takes the processor away. */
const CALLS = 2_048
const BANS = 1_000_000

export const id = 'control'
export const title = `patches and bans: ${NODES} nodes`
export const estimate = () => '60 s'

const maxOf = (node) => node.config.explain('limits.max').value

async function patched(first, nodes, max) {
  const from = performance.now()
  const result = await first.patch({ base: first.config.version, changes: { limits: { max } } })
  if (result.status !== 'applied') throw new Error(`a patch was ${result.status}`)
  await until(
    () => nodes.every((node) => maxOf(node) === max && node.config.version === result.version),
    'a patch is everywhere',
  )
  return (performance.now() - from) / INTERVAL_MS
}

const isBanned = (node, key) => {
  const permit = node.acquire('trial', { key })
  permit.release()
  return permit.limitedBy === 'ban'
}

async function banned(first, nodes, key) {
  const from = performance.now()
  first.ban(key, { ttlMs: 60_000 })
  await until(() => nodes.every((node) => isBanned(node, key)), 'a ban is everywhere')
  return (performance.now() - from) / INTERVAL_MS
}

/** The cost of an acquire and release of a key that is not banned, ns: the best of each round, of the two in turn. */
function costs(bans, options, provider) {
  const plain = new Atrion({ engine: 'native', ...options })
  const guarded = new Atrion({ engine: 'native', ...options, provider })
  for (let i = 0; i < bans; i++) guarded.ban(`banned ${i}`, { ttlMs: 86_400_000 })
  const requests = Array.from({ length: 4096 }, (_, i) => ({ key: `user-${i * 7919}` }))
  const round = (atrion) => {
    const from = process.hrtime.bigint()
    for (let i = 0; i < CALLS; i++) atrion.acquire('cost', requests[i & 4095]).release()
    return Number(process.hrtime.bigint() - from) / CALLS
  }
  const times = [[], []]
  for (let i = 0; i < ROUNDS; i++) for (const [at, atrion] of [plain, guarded].entries()) times[at].push(round(atrion))
  const [without, withBans] = times.map((all) => Math.min(...all))
  return { ratio: withBans / without, addedNs: withBans - without }
}

export async function measure({ redis }) {
  const { host, port } = redis
  const proxy = await proxyTo(port)
  const ports = Array.from({ length: NODES }, (_, i) => (i === 0 ? proxy.port : port))
  const nodes = ports.map(
    (at) => new Atrion({ engine: 'native', provider: new RedisStateProvider({ host, port: at }) }),
  )
  const patches = []
  const bans = []
  const heals = []
  // Nothing of an instance keeps a process alive.
  const alive = setInterval(() => {}, 1_000)
  try {
    await Promise.all(nodes.map((node) => node.connect()))
    for (let trial = 0; trial < TRIALS; trial++) {
      patches.push(await patched(nodes[trial % NODES], nodes, 1_000 + trial))
      bans.push(await banned(nodes[(trial + 1) % NODES], nodes, `key ${trial}`))
      await sleep(30 + 100 * Math.random())
    }
    for (let trial = 0; trial < HEALS; trial++) {
      proxy.cut()
      await sleep(1_000)
      const others = nodes.slice(1)
      await patched(others[0], others, 500 + trial)
      const connected = new Promise((resolve) => nodes[0].on('restored', resolve))
      proxy.heal()
      await connected
      const from = performance.now()
      await until(() => maxOf(nodes[0]) === 500 + trial, 'the node that was cut off has the patch')
      heals.push((performance.now() - from) / INTERVAL_MS)
    }
  } finally {
    await Promise.all(nodes.map((node) => node.disconnect()))
    await proxy.stop()
    clearInterval(alive)
  }
  const sorted = (values) => values.toSorted((a, b) => a - b)
  const keySecret = 'one secret of all nodes'
  return {
    patches: { median: quantileOf(sorted(patches), 0.5), longest: Math.max(...patches) },
    bans: { median: quantileOf(sorted(bans), 0.5), longest: Math.max(...bans) },
    healed: Math.max(...heals),
    few: costs(1_000, { keySecret }),
    million: costs(BANS, { keySecret }),
    hashed: costs(1_000, {}, new InMemoryProvider()),
  }
}

export const targets = ({ patches, bans, healed, few, million, hashed }) => [
  { row: 'a patch on all nodes, median', unit: 'intervals', measured: patches.median, limit: 2 },
  { row: 'a patch on all nodes, longest', unit: 'intervals', measured: patches.longest },
  { row: 'a ban on all nodes, median', unit: 'intervals', measured: bans.median, limit: 2 },
  { row: 'a ban on all nodes, longest', unit: 'intervals', measured: bans.longest },
  { row: 'one version after a partition, longest', unit: 'intervals', measured: healed, limit: 3 },
  { row: 'acquire and release, 1,000 bans', unit: '× without', measured: few.ratio },
  { row: 'check of a key, 1,000 bans', unit: 'ns', measured: few.addedNs, limit: 40 },
  { row: 'check of a key, 1,000,000 bans', unit: 'ns', measured: million.addedNs, limit: 40 },
  { row: 'check of a key, 1,000 bans, no keySecret', unit: 'ns', measured: hashed.addedNs },
]
