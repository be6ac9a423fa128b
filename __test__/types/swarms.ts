/** Swarms: budgets, estimates, leases, errors. */
import assert from 'node:assert/strict'
import {
  Atrion,
  type AutoProfile,
  type Budget,
  type BudgetCause,
  BudgetError,
  type Estimate,
  isBudgetError,
  type Swarm,
  type SwarmLease,
  type SwarmStats,
  type SwarmTaskLease,
  type UnitStats,
} from 'atrion'

const atrion = new Atrion()

async function work(): Promise<void> {
  const budget: Budget = { usd: 1, toolCalls: 5, depth: 1 }
  const swarm: Swarm = atrion.createSwarm('typed', { budget, soft: 0.9, price: () => undefined })
  const estimate: Estimate = { usd: 0.1, model: 'small', toolCalls: 1 }
  const result: number = await swarm.run(estimate, (lease: SwarmLease, signal: AbortSignal) => {
    assert.equal(signal.aborted, false)
    const fits: boolean = lease.used({ usd: 0.05, toolCalls: 1 })
    return fits ? 1 : 0
  })
  assert.equal(result, 1)
  const stats: SwarmStats = swarm.stats()
  const usd: UnitStats | undefined = stats.units.usd
  assert.equal(usd?.used, 0.05)
  const stop: () => void = swarm.on('soft', ({ unit, used }) => console.log(unit.length, used.toFixed(2)))
  stop()
  const child: Swarm = swarm.child('child', { share: 0.5 })
  const error: unknown = await child.run({ usd: 1 }, async () => {}).catch((reason: unknown) => reason)
  assert.ok(isBudgetError(error) && error instanceof BudgetError)
  const cause: BudgetCause = error.cause
  const ancestor: string = error.ancestor
  assert.deepEqual([cause, ancestor], ['hard', 'typed/child'])
  const task: SwarmTaskLease = await swarm.startTask('job', { estimate: { usd: 0.1 } })
  task.budget.used({ usd: 0.01 })
  await task.release()
  // @ts-expect-error: a budget is of numbers
  assert.throws(() => atrion.createSwarm('wrong', { budget: { usd: '1' } }))
  // @ts-expect-error: there is no such option
  assert.throws(() => atrion.createSwarm('wrong', { budget: {}, limit: 1 }))
  swarm.close()
}
void work()

atrion.setRouteProfile('route', 'AUTO')
const profile: AutoProfile | undefined = atrion.getAutoProfile('route')
assert.equal(profile?.state, 'learning')
