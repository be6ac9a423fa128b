/** The closed loop: Atrion measures; permits asked for and given back. */
import assert from 'node:assert/strict'
import {
  Atrion,
  ConfigError,
  type EnterOptions,
  type LimitedBy,
  type Metrics,
  type OperationalMode,
  type Outcome,
  type Permit,
  type RouteMetrics,
  type RouteStats,
  ShedError,
  type Tier,
} from 'atrion'

/** The functional model has no closed loop: the types are the same, the call says so. */
const functional = new Atrion({ engine: 'ts' })
assert.throws(() => functional.acquire('a'), ConfigError)

async function work(atrion: Atrion): Promise<void> {
  const tiers: Tier[] = ['critical', 'high', 'normal', 'low', 'bulk']
  const outcomes: Outcome[] = ['success', 'failure', 'ignored']
  for (const tier of tiers) {
    const permit: Permit = atrion.acquire('a', { tier, key: 'user 7' })
    const mode: OperationalMode = permit.mode
    assert.deepEqual([permit.allow, mode, permit.reason, permit.retryAfterMs], [true, 'BOOTSTRAP', 'OK', undefined])
    assert.ok(permit.resistance > 0)
    permit.release(outcomes[0])
    permit.release()
  }
  atrion.acquire('a', { voltage: 80 }).release('ignored')
  atrion.acquire('a', { key: 42, tier: null }).release('failed')

  const options: EnterOptions = { tier: 'high', key: 'user 7', maxWaitMs: 100, signal: new AbortController().signal }
  const entered: Permit = await atrion.enter('a', options)
  const limitedBy: LimitedBy | undefined = entered.limitedBy
  const tier: Tier | undefined = entered.tier
  const volts: number = entered.voltage
  assert.deepEqual([limitedBy, tier], [undefined, 'high'])
  assert.ok(volts > entered.resistance)
  entered[Symbol.dispose]()
  // @ts-expect-error no outcome
  assert.throws(() => atrion.acquire('a').release('done'), ConfigError)
  // @ts-expect-error acquire() does not wait
  assert.throws(() => atrion.acquire('a', { maxWaitMs: 5 }), ConfigError)

  const answer: number = await atrion.run('a', async (signal: AbortSignal) => (signal.aborted ? 0 : 42), {
    tier: 'high',
    key: 'tenant 1',
    maxWaitMs: 100,
    timeoutMs: 1000,
    isFailure: (error: unknown) => !(error instanceof RangeError),
  })
  assert.equal(answer, 42)

  atrion.override('a', 'open')
  assert.equal(await atrion.run('a', () => 'served', { fallback: 'instead' }), 'instead')
  const refusal: unknown = await atrion.run('a', () => 'served').catch((error: unknown) => error)
  assert.ok(refusal instanceof ShedError)
  const { routeId, voltage, resistance, mode, retryAfterMs, code } = refusal
  const kept: [string, number, number, OperationalMode, number | undefined] = [
    routeId,
    voltage,
    resistance,
    mode,
    retryAfterMs,
  ]
  assert.equal(kept[0], 'a')
  const answer503: [503, 503, string | undefined] = [refusal.status, refusal.statusCode, refusal.headers['retry-after']]
  assert.equal(answer503[0], answer503[1])
  const cause: LimitedBy | undefined = refusal.limitedBy
  assert.equal(cause, 'override')
  assert.equal(code, 'ATRION_SHED')
  atrion.override('a', null)

  const stats: RouteStats = atrion.stats('a')
  const counts: number[] = [
    stats.inFlight,
    stats.limit,
    stats.resistance,
    stats.scar,
    stats.admitted,
    stats.shed,
    stats.waiting,
  ]
  counts.push(stats.failures, stats.rejectedSamples)
  const quantiles: (number | undefined)[] = [stats.p50Ms, stats.p99Ms]
  const shed: Record<Tier, number> = { ...stats.shedByTier }
  const now: OperationalMode = stats.mode
  assert.ok(counts.every(Number.isFinite) && quantiles.length === 2 && now.length > 0)
  assert.equal(Object.keys(shed).length, tiers.length)
  assert.equal(stats.inFlight, 0)

  // @ts-expect-error a tier that there is not
  assert.throws(() => atrion.acquire('a', { tier: 'vip' }), ConfigError)
}

const atrion = new Atrion()
if (atrion.engine !== 'ts') void work(atrion)

/** Explanations and metrics. */
const explained = (): void => {
  const atrion = new Atrion()
  const { terms, resistance, margin, limitedBy, admittedAt } = atrion.acquire('a').explain()
  const total: number = Object.values(terms).reduce((sum, term) => sum + term, 0)
  assert.equal(total, resistance)
  const cause: LimitedBy | undefined = limitedBy
  assert.deepEqual([cause, admittedAt.ms, typeof admittedAt.voltage, typeof margin], [undefined, 0, 'number', 'number'])
  const metrics: Metrics = atrion.metrics()
  const row: RouteMetrics | undefined = metrics.at(0)
  const counts: readonly number[] | undefined = row?.durations.counts
  assert.deepEqual([metrics.routes[0], row?.admittedByTier.normal, counts?.length], ['a', 1, 15])
  for (const { shedByTier } of atrion.metrics(metrics)) assert.equal(shedByTier.bulk.occupancy, undefined)
}
explained()
