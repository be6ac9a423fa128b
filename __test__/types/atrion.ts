/** The class: every option, its life, its properties. */
import assert from 'node:assert/strict'
import {
  Atrion,
  type AtrionOptions,
  type AutoTunerConfig,
  ConfigError,
  DEFAULT_CONFIG,
  DEFAULT_SLO,
  type EngineKind,
  InMemoryProvider,
  type PhysicsConfig,
  type SLOConfig,
  silentLogger,
  silentObserver,
  VirtualClock,
} from 'atrion'

const tuner: Partial<AutoTunerConfig> = { windowSize: 100, sensitivity: 3, minFloor: 30, hardCeiling: 500 }
const config: Partial<PhysicsConfig> = { baseResistance: 10, decayRate: 0.1, scarFactor: 5 }
const slo: Partial<SLOConfig> = { maxAcceptableLatencyMs: 500, criticality: { latency: 5, error: 8, saturation: 3 } }

const options: AtrionOptions = {
  provider: new InMemoryProvider(),
  autoTuner: tuner,
  config,
  slo,
  observer: silentObserver,
  engine: 'ts',
  defaultVoltage: 100,
  maxRoutes: 65_536,
  clock: new VirtualClock(),
  logger: silentLogger,
  useWasm: false,
  license: 'anything',
}

async function live(): Promise<void> {
  const atrion = new Atrion(options)
  await atrion.connect()
  const connected: boolean = atrion.isConnected
  const provider: string = atrion.providerName
  const engine: EngineKind = atrion.engine
  const wasm: boolean = atrion.usingWasm
  assert.deepEqual([connected, engine, wasm], [true, 'ts', false])
  assert.equal(provider, options.provider?.name)
  await atrion.disconnect()
  assert.equal(atrion.isConnected, false)
  const disposed: PromiseLike<void> = atrion[Symbol.asyncDispose]()
  await disposed
}

new Atrion()
new Atrion({ autoTuner: true })
new Atrion({ autoTuner: false, clock: { now: () => 0 } })
new Atrion({ config: DEFAULT_CONFIG, slo: DEFAULT_SLO, engine: 'auto' })
const named: ReadonlyArray<NonNullable<AtrionOptions['engine']>> = ['auto', 'native', 'wasm', 'ts']
assert.equal(named.length, 4)

// @ts-expect-error an engine that there is not
assert.throws(() => new Atrion({ engine: 'steam' }), ConfigError)
// @ts-expect-error a number where the unit is V
assert.throws(() => new Atrion({ defaultVoltage: '100' }), ConfigError)
// @ts-expect-error a constant that there is not
export const unknown: AtrionOptions = { config: { gravity: 9.81 } }

void live()
