/** Types as code written for atrion 2.0 uses them. */
import assert from 'node:assert/strict'
import {
  Atrion,
  type AtrionError,
  type ConflictStrategy,
  DEFAULT_AUTOTUNER_CONFIG,
  DEFAULT_CONFIG,
  type DeltaTime,
  InMemoryProvider,
  type NormalizedPressure,
  type Ohms,
  type PhysicsVector,
  type RedisOptions,
  type Scar,
  StateManager,
  type StateProvider,
  type Volts,
} from 'atrion'
import { consoleObserver, type Logger, silentLogger } from 'atrion/core'
import { type PhysicsConfig, PhysicsEngine, PressureVector } from 'atrion/wasm'

const ohms: Ohms = DEFAULT_CONFIG.baseResistance
const floor: Ohms = DEFAULT_AUTOTUNER_CONFIG.minFloor
const dt: DeltaTime = DEFAULT_CONFIG.minDeltaT
const critical: NormalizedPressure = DEFAULT_CONFIG.criticalPressure
const volts = 80 as Volts
const sum: number = ohms + floor + dt + critical + volts
assert.equal(sum, 10 + 30 + 100 + 0.7 + 80)

const vector: PhysicsVector = { scar: 5 as Scar, momentumScalar: 0.1, lastTick: 3, resistance: 15 as Ohms }
const provider: StateProvider = new InMemoryProvider({ maxRoutes: 10 })
const size: number = new InMemoryProvider().size
assert.equal(size, 0)

async function manage(): Promise<void> {
  const manager = new StateManager(provider)
  await manager.connect()
  manager.update('a', vector)
  manager.update('b', vector, false)
  const known: PhysicsVector | null = manager.getLocal('a')
  const fetched: PhysicsVector | null = await manager.syncFromProvider('a')
  assert.deepEqual(known, fetched)
  const routes: string[] = manager.getCachedRoutes()
  assert.equal(routes.length, 2)
  await manager.flushToProvider()
  await manager.delete('a')
  manager.clearCache()
  await manager.disconnect()
}

const strategies: ConflictStrategy[] = ['LWW', 'GAMMA_BLEND']
const redis: RedisOptions = { url: 'redis://localhost:6379', password: 'x', keyPrefix: 'a:', channel: 'b' }
assert.deepEqual([strategies.length, redis.channel], [2, 'b'])

const atrion = new Atrion({ engine: 'ts', observer: consoleObserver, logger: silentLogger satisfies Logger, provider })
const decision = atrion.route(
  'a',
  { latencyMs: 10, errorRate: null, saturation: null },
  { voltage: volts, profile: null },
)
const resistance: Ohms = decision.resistance
assert.ok(resistance > 0 && decision.allow)
assert.ok(atrion.route('a', { latencyMs: 10 }, volts).allow)

const config: Partial<PhysicsConfig> = { baseResistance: 20 }
const engine: PhysicsEngine = PhysicsEngine.withConfig(config, { wLatency: 1, wError: 1, wSaturation: 1 })
const pressure: PressureVector = new PressureVector(0.5, 0.2, 0.3)
assert.equal(engine.calculateResistance(pressure, 0, 0, 0), 21)

export const isCoded = (error: AtrionError): string => error.code
void manage()
