/**
 * Floods, each in a process of its own: `node --expose-gc lab/attacks/floods.mjs <id>`. What a third flood of other names takes on top
 * of two that have filled all there is room for.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Atrion, InMemoryProvider } from 'atrion'

const MB = 1 << 20
/** The variation of an allocator by itself, and the least that the first floods count for, MB. */
const LEAST_MB = 16
const VECTOR = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 }
const CALM = { latencyMs: 100, errorRate: 0.01, saturation: 0.5 }

const longName = (i) => `${'x'.repeat(16_000)}${i}`

/** Each makes `flood(from)`, which takes its n-th name from n = `from` on. */
const FLOODS = {
  names: {
    title: '36,000 routes with names of 16 kB',
    make: () => {
      const atrion = new Atrion()
      return (from) => {
        for (let i = from; i < from + 12_000; i++) atrion.route(longName(i), CALM)
      }
    },
  },
  provider: {
    title: '18,000 names of 16 kB in a provider',
    make: () => {
      const provider = new InMemoryProvider()
      return async (from) => {
        for (let i = from; i < from + 6000; i++) await provider.updateVector(longName(i), VECTOR)
      }
    },
  },
  routes: {
    title: '600,000 routes, each asked for a permit',
    make: () => {
      const atrion = new Atrion({ maxRoutes: 65_536 })
      return (from) => {
        for (let i = from; i < from + 200_000; i++) atrion.acquire(`route-${i}`).release()
      }
    },
  },
  profiles: {
    title: '300,000 profiles',
    make: () => {
      const atrion = new Atrion({ maxRoutes: 10_000 })
      return (from) => {
        for (let i = from; i < from + 100_000; i++)
          atrion.setRouteProfile(`route-${i}`, { baseResistance: 5 + i / 1e5 })
      }
    },
  },
  keys: {
    title: '1,500,000 keys, 1,000 at a time',
    make: () => {
      const atrion = new Atrion()
      atrion.setRouteProfile('r', { breakBy: 'key' })
      return (from) => {
        for (let i = from; i < from + 500_000; i += 1000) {
          const permits = Array.from({ length: 1000 }, (_, k) => atrion.acquire('r', { key: `user-${i + k}` }))
          for (const permit of permits) permit.release('failure')
        }
      }
    },
  },
  observers: {
    title: '300,000 ticks before an observer has its turn, again and again',
    make: () => {
      const atrion = new Atrion({ observer: { onUpdate: () => {} } })
      return (from) => {
        for (let i = from; i < from + 300_000; i++) atrion.route('r', CALM)
      }
    },
  },
}

const residentMb = async () => {
  for (let i = 0; i < 3; i++) {
    global.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().rss / MB
}

const FILLING = 4

/** MB before, after the floods that fill what there is, and after one more: the heap of the process itself grows in steps. */
export const measure = async (flood) => {
  const before = await residentMb()
  for (let i = 0; i < FILLING; i++) {
    await flood(i * 10_000_000)
    await residentMb()
  }
  const first = await residentMb()
  await flood(FILLING * 10_000_000)
  return { before, first, second: await residentMb() }
}

/** A row of the table: what the last flood takes, as a share of what those before it took. */
export const rowOf = ({ before, first, second }) => ({
  without: 1,
  under: Math.max(0, second - first) / Math.max(first - before, LEAST_MB),
  unit: 'growth',
  note: `${before.toFixed(0)} → ${first.toFixed(0)} → ${second.toFixed(0)} MB`,
})

/** Returns the last line that `node --expose-gc <file> <args>` writes. */
export const inProcess = (file, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--expose-gc', file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(text.trim().split('\n').at(-1)))
      else reject(new Error(`${args} ended with code ${code}`))
    })
  })

const FILE = fileURLToPath(import.meta.url)

export const attacks = Object.entries(FLOODS).map(([id, { title }]) => ({
  id: `flood-${id}`,
  title,
  atMost: 0.25,
  run: async () => rowOf(await inProcess(FILE, [id])),
}))

if (process.argv[1] === FILE) {
  const flood = FLOODS[process.argv[2]].make()
  console.log(JSON.stringify(await measure(flood)))
}
