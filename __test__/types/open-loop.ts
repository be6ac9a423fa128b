/** The open loop: decisions on telemetry that the caller measured. */
import assert from 'node:assert/strict'
import {
  Atrion,
  type OperationalMode,
  type RouteDecision,
  type RouteSnapshot,
  type RouteState,
  type TunerStats,
  type WorkloadProfile,
} from 'atrion'

const atrion = new Atrion({ engine: 'ts', clock: { now: () => 1000 } })

const decision: RouteDecision = atrion.route('GET /users', { latencyMs: 45, errorRate: 0.01, saturation: 0.4 })
const allow: boolean = decision.allow
const resistance: number = decision.resistance
const mode: OperationalMode = decision.mode
const reason: string = decision.reason
const retryAfterMs: number | undefined = decision.retryAfterMs
assert.deepEqual([allow, resistance, mode, reason, retryAfterMs], [true, 12, 'BOOTSTRAP', 'OK', undefined])

assert.equal(atrion.route('GET /users', { latencyMs: 45 }, 5).allow, false)
assert.match(
  atrion.route('GET /users', { latencyMs: 45 }, { voltage: 5, profile: 'HEAVY' }).reason,
  /^Insufficient voltage/,
)

const routes: readonly string[] = ['a', 'b']
const batch: Float64Array = atrion.routeBatch(routes, new Float64Array([100, 0, 0.5, 200, 0.1, 0.9]))
assert.equal(batch.length, 2)
assert.equal(atrion.routeBatch(routes, new Float64Array(6), batch), batch)

atrion.setRouteProfile('a', 'HEAVY')
assert.equal(atrion.getRouteProfile('a'), 'HEAVY' satisfies WorkloadProfile)
atrion.setRouteProfile('b', {
  profile: 'LIGHT',
  slo: { baselineLatencyMs: 20, maxAcceptableLatencyMs: 200 },
  limits: { min: 4, max: 100 },
  scarFactor: 2,
})

/** Each mode has the fields that mean something in it. */
function tell(state: RouteState): string {
  const common: number = state.scarTissue + state.resistance + state.tickCount + state.lastUpdatedAt
  const { latency, error, saturation } = state.pressure
  switch (state.mode) {
    case 'BOOTSTRAP': {
      const nothing: undefined = state.momentum ?? state.previousPressure
      return `${state.routeId} ${common} ${latency} ${error} ${saturation} ${nothing}`
    }
    case 'OPERATIONAL':
      // @ts-expect-error only an open breaker has begun to recover
      assert.equal(state.recoveryStartedAt, undefined)
      return `${state.momentum} ${state.previousPressure.latency}`
    case 'CIRCUIT_BREAKER':
      return `${state.momentum} ${state.previousPressure.error} ${state.recoveryStartedAt}`
  }
}

const state: RouteState | undefined = atrion.getState('GET /users')
assert.ok(state && tell(state).startsWith('GET /users'))
assert.equal(atrion.getState('never seen'), undefined)
const known: string[] = atrion.getRoutes()
assert.deepEqual(known.sort(), ['GET /users', 'a', 'b'])

const stats: TunerStats | undefined = atrion.getTunerStats('a')
const pooled: TunerStats | undefined = atrion.getTunerStats()
assert.ok(stats && pooled)
const { mean, stdDev, sampleCount, isWarmedUp } = pooled
assert.deepEqual([mean, stdDev, sampleCount, isWarmedUp], [0, 0, 0, false])

const snapshot: RouteSnapshot[] = atrion.snapshot()
atrion.restore(JSON.parse(JSON.stringify(snapshot)))
assert.deepEqual(atrion.snapshot(), snapshot)

// @ts-expect-error a reading without a latency
assert.throws(() => atrion.route('a', {}), TypeError)
// @ts-expect-error a route that is a number
assert.throws(() => atrion.route(7, { latencyMs: 1 }), TypeError)
const copy: RouteDecision = { ...decision }
// @ts-expect-error decisions are read, not written
copy.allow = false
assert.ok(decision.allow && !copy.allow)

const reset: Promise<void> = atrion.resetRoute('a')
void reset
