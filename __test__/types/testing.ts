/** The conformance suite under two runners, and the provider that keeps its state in a file. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import nodeTest from 'node:test'
import { FileStateProvider, type FileStateProviderOptions, InMemoryProvider, type StateProvider } from 'atrion'
import { type ConformanceOptions, type ProviderUnderTest, type RegisterTest, testProvider } from 'atrion/testing'
import type { TestFn } from 'ava'

const folder = mkdtempSync(join(tmpdir(), 'atrion-types-'))
nodeTest.after(() => rmSync(folder, { recursive: true, force: true }))

const settings: FileStateProviderOptions = { intervalMs: 100, maxRoutes: 10_000 }
let files = 0
const makeFile: ProviderUnderTest = (): StateProvider =>
  new FileStateProvider(join(folder, `${files++}.json`), settings)
const options: ConformanceOptions = { title: 'file', shared: false, durable: true, routes: 100, timeoutMs: 1000 }

testProvider(nodeTest, makeFile, options)
testProvider(nodeTest, async () => new InMemoryProvider(), { shared: false, durable: false })

/** Compiled, not run: ava only runs under its own command. */
export const underAva = (test: TestFn): void => testProvider(test, makeFile)

const names: string[] = []
const register: RegisterTest = (name) => names.push(name)
testProvider(register, makeFile)
assert.ok(names.length > 10 && names.every((name) => name.startsWith('provider: ')))

// @ts-expect-error a provider is made, not given
assert.throws(() => testProvider(register, new InMemoryProvider()), TypeError)
// @ts-expect-error a file has a path
assert.throws(() => new FileStateProvider(), /path/)
