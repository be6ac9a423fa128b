// Measures the memory of a provider in a process of its own: `node weighed.mjs connect|flood PORT` prints a report as JSON.
import { RedisStateProvider } from 'atrion'
import { Node, until } from './nodes.mjs'
import { connectStranger } from './stranger.mjs'

const MIB = 1 << 20
const MESSAGES = 20_000
const rssMiB = () => process.memoryUsage().rss / MIB

const teardowns = []
const owner = { teardown: (end) => teardowns.push(end) }

/** A node that connects. */
async function connect(port) {
  const before = rssMiB()
  const node = await Node.connected(owner, { port })
  const grownMiB = rssMiB() - before
  const { state, droppedRecords, loadedRoutes } = node.provider.stats()
  const { turns, warnings } = node
  return { grownMiB, state, droppedRecords, loadedRoutes, scar: node.scarOf('pay'), problems: [...turns, ...warnings] }
}

const calls = async (client) => {
  const [, count] = /cmdstat_hget:calls=(\d+)/.exec(await client.info('commandstats'))
  return Number(count)
}

const stranger = async (port) => {
  const client = await connectStranger(port)
  teardowns.push(() => client.destroy())
  return client
}

/** Messages on a route that is watched: a first flood fills what any flood needs, a second one is weighed. */
async function flood(port) {
  const provider = new RedisStateProvider({ port })
  await provider.connect()
  teardowns.push(() => provider.disconnect())
  let heard = 0
  let last
  teardowns.push(
    provider.subscribe('pay', (vector) => {
      heard += 1
      last = vector
    }),
  )
  const speaker = new RedisStateProvider({ port })
  await speaker.connect()
  teardowns.push(() => speaker.disconnect())
  const client = await stranger(port)
  const listener = await stranger(port)
  let stop
  const published = new Promise((resolve) => {
    stop = (bytes) => bytes.length > 20 && bytes.readUInt32LE(12) === 1 && resolve(Buffer.from(bytes))
  })
  await listener.subscribe('atrion:sync', (bytes) => stop(bytes), true)
  await speaker.updateVector('pay', { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 11 })
  const message = await published
  await listener.unsubscribe()
  await until(() => last !== undefined, 'the first report')

  const publish = async (node) => {
    for (let i = 0; i < MESSAGES; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, n) => {
          const report = Buffer.from(message)
          report.writeBigUInt64LE(node, 4)
          report.writeFloatLE((i + n) / MESSAGES, 28)
          return client.publish('atrion:sync', report)
        }),
      )
    }
    await until(() => last.scar > (MESSAGES - 2) / MESSAGES && last.scar < 1, 'the newest report')
  }
  await publish(0x77n)
  last = { scar: 0 }
  const [heardBefore, callsBefore, before] = [heard, await calls(client), rssMiB()]
  await publish(0x78n)
  const grownMiB = rssMiB() - before
  return { grownMiB, messages: MESSAGES, heard: heard - heardBefore, lookUps: (await calls(client)) - callsBefore }
}

const [what, port] = process.argv.slice(2)
const report = await { connect, flood }[what](Number(port))
for (const end of teardowns.reverse()) await end()
console.log(JSON.stringify(report))
