/** Nodes that lie, over a real Redis: what a node still admits of a route that fails in part, and what it keeps of their reports. */
import { fileURLToPath } from 'node:url'
import { Atrion, RedisStateProvider } from 'atrion'
import { createClient } from 'redis'
import { single } from '../../__test__/_redis/servers.mjs'
import { inProcess, measure, rowOf } from './floods.mjs'
import { forged, keyIn } from './wire.mjs'

const CHANNEL = 'atrion:sync'
const ROUTE = 'GET /pay'
const REQUESTS = 4000
const AT_ONCE = 20
const EVERY_MS = 5
const DEAD = 1e6

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Looks again and again, for ten seconds. */
const until = async (holds, what) => {
  for (let i = 0; i < 1000; i++) {
    const found = await holds()
    if (found) return found
    await pause(10)
  }
  throw new Error(`not within ten seconds: ${what}`)
}

const clientOf = async (port) => {
  const client = createClient({ socket: { host: '127.0.0.1', port } })
  // The server ends before its clients do.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** The share of requests that are admitted on a route of which a share fails. */
const admittedShare = async (atrion, failShare) => {
  let random = 1
  const draw = () => {
    random = (random * 16_807) % 2_147_483_647
    return random / 2_147_483_647
  }
  let admitted = 0
  for (let i = 0; i < REQUESTS; i += AT_ONCE) {
    for (let k = 0; k < AT_ONCE; k++) {
      const permit = atrion.acquire(ROUTE)
      if (permit.allow) admitted++
      permit.release(draw() < failShare ? 'failure' : 'success')
    }
    await pause(EVERY_MS)
  }
  return admitted / REQUESTS
}

/** A node that has asked for the route, and the route's key on the wire. */
const nodeOn = async (port, client) => {
  const keys = []
  const listener = client.duplicate().on('error', () => {})
  await listener.connect()
  await listener.subscribe(CHANNEL, (bytes) => keys.push(keyIn(bytes)), true)
  const provider = new RedisStateProvider({ port })
  const atrion = new Atrion({ provider })
  await atrion.connect()
  atrion.acquire(ROUTE).release()
  await provider.updateVector(ROUTE, { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 })
  const key = await until(() => keys.find(Boolean), 'a word of the node')
  listener.destroy()
  return { atrion, provider, key }
}

/** `attack({ client, port, key })` resolves to { say, end }: `say` repeats the lie. */
const shareUnder = async (failShare, attack) => {
  const server = await single()
  const client = await clientOf(server.port)
  // An honest node that has nothing to say of the route.
  const other = new RedisStateProvider({ port: server.port })
  await other.connect()
  const { atrion, provider, key } = await nodeOn(server.port, client)
  await until(() => provider.stats().nodes > 0, 'the other node reports')
  const { say, end } = (await attack?.({ client, port: server.port, key })) ?? {}
  const timer = say && setInterval(() => say().catch(() => {}), 20)
  await pause(300)
  const share = await admittedShare(atrion, failShare)
  clearInterval(timer)
  const { nodes } = provider.stats()
  await Promise.all([end?.(), other.disconnect(), atrion.disconnect()])
  client.destroy()
  await server.stop()
  return { share, nodes }
}

/** A node like the others, with all they have, that says that the route is dead. */
const liar = async ({ port }) => {
  const provider = new RedisStateProvider({ port })
  await provider.connect()
  let scar = DEAD
  return {
    say: () => provider.updateVector(ROUTE, { scar: scar--, momentumScalar: 0, lastTick: 9, resistance: scar }),
    end: () => provider.disconnect(),
  }
}

/** One that may publish, under 5,000 names. */
const crowd = async ({ client, key }) => {
  let node = 1n
  return {
    say: () =>
      Promise.all(
        Array.from({ length: 200 }, () =>
          client.publish(CHANNEL, forged({ node: 1n + (node++ % 5000n), key, scar: DEAD })),
        ),
      ),
  }
}

const lie = (id, title, failShare, attack) => ({
  id,
  title: `${title}, ${100 * failShare} % fail`,
  atLeast: 0.95,
  needs: 'redis',
  run: async () => {
    const without = await shareUnder(failShare)
    const under = await shareUnder(failShare, attack)
    return { without: without.share, under: under.share, unit: 'admitted', note: `${under.nodes} nodes count` }
  },
})

/** Each makes a flood over the channel, and waits until its messages have arrived. */
const FLOODS = {
  nodes: { title: '15,000 invented nodes', watchers: 0 },
  subscribe: { title: '60,000 words for a hundred watchers of a route', watchers: 100 },
}

const floodOf = async (port, { watchers }) => {
  const client = await clientOf(port)
  const { provider, key } = await nodeOn(port, client)
  for (let i = 0; i < watchers; i++) provider.subscribe(ROUTE, () => {})
  const heard = () => {
    const { receivedMessages } = provider.stats()
    return receivedMessages
  }
  return async (from) => {
    const before = heard()
    for (let i = 0; i < 20_000; i += 200) {
      const word = (k) => forged({ node: BigInt(from + ((i + k) % 5000) + 1), key, scar: DEAD - i })
      await Promise.all(Array.from({ length: 200 }, (_, k) => client.publish(CHANNEL, word(k))))
    }
    await until(() => heard() >= before + 20_000, 'the reports arrived')
  }
}

const FILE = fileURLToPath(import.meta.url)

export const attacks = [
  lie('liar-30', 'a node that lies', 0.3, liar),
  lie('liar-50', 'a node that lies', 0.5, liar),
  lie('invented-50', '5,000 invented nodes', 0.5, crowd),
  ...Object.entries(FLOODS).map(([id, { title }]) => ({
    id: `flood-${id}`,
    title,
    atMost: 0.25,
    needs: 'redis',
    run: async () => rowOf(await inProcess(FILE, [id])),
  })),
]

if (process.argv[1] === FILE) {
  const server = await single()
  console.log(JSON.stringify(await measure(await floodOf(server.port, FLOODS[process.argv[2]]))))
  await server.stop()
  process.exit()
}
