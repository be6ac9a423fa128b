/** The conformance suite: every promise of the port to a state provider is one test. */

import { ownOptions } from '../base/own.js'
import { DOCUMENTS, SHARED_DOCUMENTS } from './documents.js'
import { KEEPING } from './keeping.js'
import { SHARING } from './sharing.js'
import { type ProviderUnderTest, Stage } from './stage.js'

export type { ProviderUnderTest } from './stage.js'

/** The function that registers a test: `test` of ava, node:test, Vitest, Jest, `it` of Mocha. */
export type RegisterTest = (name: string, run: (...context: unknown[]) => Promise<void>) => unknown

export interface ConformanceOptions {
  /** The beginning of every test's name. Default 'provider'. */
  readonly title?: string
  /** True when all providers that are made use one store, so that each sees what the others write. Default true. */
  readonly shared?: boolean
  /** True when what was written is there after `disconnect()` and `connect()`. Default true. */
  readonly durable?: boolean
  /** The number of routes that the test of many routes writes, ≥ 1. The store has to have room for them. Default 1000. */
  readonly routes?: number
  /** A change by another provider has to arrive within, ms. Default 5000. */
  readonly timeoutMs?: number
}

/**
 * Registers one test for each promise of `StateProvider`, among them what is optional where the provider has it.
 *
 * Every test makes providers of its own and disconnects them; the names of its routes and documents are its own, and it deletes them.
 * So the tests may share one store and run at the same time, unless the store keeps its list of routes under one key.
 *
 * ```ts
 * import test from 'node:test'
 * import { testProvider } from 'atrion/testing'
 *
 * testProvider(test, () => new ShelfProvider('shelf://localhost'), { title: 'shelf' })
 * ```
 *
 * @param test registers a test by name and function; the function returns a promise, which rejects when a promise is broken
 * @param makeProvider makes a fresh provider; over the same store as the others, unless `shared` is false
 * @throws TypeError when `test` or `makeProvider` is not a function
 */
export function testProvider(
  test: RegisterTest,
  makeProvider: ProviderUnderTest,
  options: ConformanceOptions = {},
): void {
  const {
    title = 'provider',
    shared = true,
    durable = true,
    routes = 1000,
    timeoutMs = 5000,
  } = ownOptions(options, ['title', 'shared', 'durable', 'routes', 'timeoutMs'])
  if (typeof test !== 'function') throw new TypeError('test must be a function (name, run)')
  if (typeof makeProvider !== 'function') throw new TypeError('makeProvider must be a function')
  const clauses = { ...KEEPING, ...DOCUMENTS, ...(shared && { ...SHARING, ...SHARED_DOCUMENTS }) }
  for (const [name, { run, needs }] of Object.entries(clauses)) {
    if (needs === 'durable' && !durable) continue
    // Runners of the older kind take a function with a parameter for one that calls back.
    test(`${title}: ${name}`, async (...context: unknown[]) => {
      const stage = new Stage(makeProvider, { routes, timeoutMs, shared })
      try {
        await run(stage)
      } catch (error) {
        // The first failure is the one that matters.
        await stage.clear().catch(() => {})
        throw error
      }
      await stage.clear()
      passed(context[0])
    })
  }
}

/** A runner that counts assertions of its own wants to see one. */
function passed(context: unknown): void {
  if (typeof context !== 'object' || context === null || !('pass' in context)) return
  if (typeof context.pass === 'function') context.pass()
}
