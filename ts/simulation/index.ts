/** Simulation: scenarios of telemetry, run through the functional model in virtual time. */

export { EventHeap, Fifo } from './event-heap.js'
export { type SeriesKey, SimulationObserver, type TickRecord } from './observer.js'
export { exponential, SERVICE_LAWS, stream, type Uniform } from './random.js'
export { runSimulation, type SimulationOptions } from './runner.js'
export { type PressureGenerator, type Scenario, type ScenarioSample, Scenarios } from './scenarios.js'
