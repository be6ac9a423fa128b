/** Simulation: scenarios of telemetry, run through the functional model in virtual time. */

export { type SeriesKey, SimulationObserver, type TickRecord } from './observer.js'
export { runSimulation, type SimulationOptions } from './runner.js'
export { type PressureGenerator, type Scenario, type ScenarioSample, Scenarios } from './scenarios.js'
