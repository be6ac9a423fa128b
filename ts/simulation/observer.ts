/** The record of a simulated run. */

import type { OperationalMode, RouteState } from '../core/types.js'
import type { ScenarioSample } from './scenarios.js'

/** One tick: what went in, what came out. */
export interface TickRecord {
  readonly tick: number
  readonly input: ScenarioSample
  readonly output: {
    /** Ω */
    readonly resistance: number
    /** 1/ms; 0 in BOOTSTRAP */
    readonly momentum: number
    /** Ω */
    readonly scar: number
  }
  readonly meta: { readonly mode: OperationalMode }
}

export type SeriesKey = keyof TickRecord['output'] | keyof ScenarioSample

/** Collects the ticks of a run, and gives them back as series to plot or to assert on. */
export class SimulationObserver {
  #history: TickRecord[] = []

  /** Notes one tick. */
  record(tick: number, state: RouteState, inputs: ScenarioSample): void {
    const { latency, error, saturation } = inputs
    this.#history.push({
      tick,
      input: { latency, error, saturation },
      output: { resistance: state.resistance, momentum: state.momentum ?? 0, scar: state.scarTissue },
      meta: { mode: state.mode },
    })
  }

  /** One quantity over all ticks. */
  getSeries(key: SeriesKey): number[] {
    switch (key) {
      case 'latency':
      case 'error':
      case 'saturation':
        return this.#history.map(({ input }) => input[key])
      default:
        return this.#history.map(({ output }) => output[key])
    }
  }

  getHistory(): readonly TickRecord[] {
    return this.#history
  }

  /** Highest resistance of the run, Ω; 0 when nothing was recorded. */
  maxResistance(): number {
    return this.#history.reduce((highest, { output }) => Math.max(highest, output.resistance), 0)
  }

  /** Resistance at the last tick, Ω; 0 when nothing was recorded. */
  finalResistance(): number {
    return this.#history.at(-1)?.output.resistance ?? 0
  }

  /** Forgets the run. */
  reset(): void {
    this.#history = []
  }
}
