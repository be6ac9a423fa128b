// Permits that are never released, and memory over many that are.
import { Atrion } from 'atrion'

const settle = async () => {
  for (let i = 0; i < 20; i++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const atrion = new Atrion({ engine: process.env.ATRION_ENGINE })
const LOST = 1000
for (let i = 0; i < LOST; i++) atrion.acquire('lost', { voltage: 1e5 })
const kept = atrion.acquire('lost', { voltage: 1e5 })
const before = atrion.stats('lost').inFlight
await settle()
const { inFlight, reclaimed } = atrion.stats('lost')

const churn = () => {
  for (let i = 0; i < 1_000_000; i++) atrion.acquire('flat', { voltage: 1e5 }).release()
}
const heap = async () => {
  await settle()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
churn()
const first = await heap()
churn()
const grownMiB = ((await heap()) - first) / 2 ** 20
console.log(
  JSON.stringify({ before, inFlight, reclaimed, grownMiB, flat: atrion.stats('flat').inFlight, kept: kept.allow }),
)
