// A process that runs calls of a shared swarm until its budget is used up; writes a letter for each that has begun.
import { writeSync } from 'node:fs'
import { Atrion, BudgetError, RedisStateProvider } from 'atrion'

const { redis, budget, agents, estimate } = JSON.parse(process.argv[2])

const atrion = new Atrion({ engine: process.env.ATRION_ENGINE, provider: new RedisStateProvider(redis) })
await atrion.connect()
const swarm = atrion.createSwarm('crew', { budget })

const agent = async () => {
  for (;;) {
    try {
      await swarm.run(
        estimate,
        async () => {
          writeSync(1, 'r')
          await new Promise((resolve) => setTimeout(resolve, 2))
        },
        { maxWaitMs: 60_000 },
      )
    } catch (error) {
      if (error instanceof BudgetError && error.cause === 'hard') return
      throw error
    }
  }
}

await Promise.all(Array.from({ length: agents }, agent))
writeSync(1, `\n${JSON.stringify(swarm.stats().units)}\n`)
await atrion.disconnect()
