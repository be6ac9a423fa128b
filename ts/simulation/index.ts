/** Simulation: load on plants, and scenarios of telemetry for the functional model, in virtual time. */

export {
  type Arrival,
  type Arrivals,
  DEFAULT_MIX,
  listed,
  merged,
  type PoissonOptions,
  poisson,
} from './arrivals.js'
export { EventHeap, Fifo } from './event-heap.js'
export { type Gate, type LoadCounts, type LoadOptions, type LoadResult, runLoad } from './load.js'
export { type SeriesKey, SimulationObserver, type TickRecord } from './observer.js'
export {
  type ContendedOptions,
  contended,
  type DelayOptions,
  delay,
  type Plant,
  type PlantCeiling,
  type PlantWorld,
  type PoolOptions,
  pool,
  type ServiceLaw,
} from './plants.js'
export { exponential, SERVICE_LAWS, stream, type Uniform } from './random.js'
export { runSimulation, type SimulationOptions } from './runner.js'
export { type PressureGenerator, type Scenario, type ScenarioSample, Scenarios } from './scenarios.js'
