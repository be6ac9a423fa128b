import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'

const engine = process.env.ATRION_ENGINE ?? 'native'

/** Test files by folder and the beginning of their names, as patterns that leave them out. */
const without = (folder, ...names) => names.map((name) => `!__test__/${folder}/${name}.test.mjs`)

/** The same of all test files of a folder but for these. */
const withoutAllBut = (folder, ...kept) => {
  const names = readdirSync(new URL(`__test__/${folder}`, import.meta.url))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => name.replace('.test.mjs', ''))
  return without(folder, ...names.filter((name) => !kept.includes(name)))
}

// Only these: ava's own patterns would also take the scripts and the Rust tests' folder for tests.
const files = ['__test__/**/*.test.mjs']

/**
 * The files that run on further engines: one whose assertions the engine decides, holds or reports. All else is the same code on every engine, and runs
 * on one.
 */
if (engine !== 'native') {
  files.push(
    // Shared state is the addon's whichever engine decides: of its tests, only those of both together are worth repeating.
    ...withoutAllBut('redis', 'redis-shared', 'redis-recording'),
    // The lab and its demos measure the law, which is one law to the last bit on every engine that has it: edge/wasm-parity holds that.
    ...without('lab', '*'),
    // Budgets, patches from a store, stores, formats, panels and the functional model.
    ...without('swarm', '*'),
    ...without('postgres', '*'),
    ...without('machine', '*'),
    ...without('auto', '*'),
    ...without('core', '*'),
    ...without('devtools', '*'),
    // Patches, trials and bans are decided above the engine; those that stay ask it for what they come to.
    ...without('control', 'bans-cluster', 'canary-kills', 'code-under-patches', 'config-*', 'control-redis'),
    ...without('control', 'damaged-stores', 'fuzz-patches', 'hardened-*'),
    // Files of recordings are written above the engine; tests of random traffic and of replays create each engine themselves.
    ...without('record', '*'),
    ...without('state', 'documents', 'hardened-subscriptions', 'provider-lifecycle', 'required', 'state-*'),
    // The timer of leases is set above the engine; leases and their ends are asked of each.
    ...without('leases', 'leases-timers'),
    ...without('loop', 'loop-room-order'),
    // Pools with culprits measure the rule of whom to cancel, which is above the engine; loop/culprits asks each engine for what the rule goes by.
    ...without('loop', 'culprits-pool', 'culprits-recovery'),
    // Random plants measure the order of the waiting room, which is above the engine; loop/loop-room and loop/loop-room-random test the engine's part.
    ...without('loop', 'loop-room-plants'),
    // Wrong arguments, thenables and faked timers: run() handles them above the engine.
    ...without('loop', 'faked-timers', 'loop-misuse', 'loop-thenables'),
    // The watchdog and its thread are the native engine's.
    ...without('loop', 'hardened-workers', 'stack', 'watchdog-excused'),
    // These name the engines that they are of.
    ...without('routes', 'fleet', 'process-scope', 'stream'),
    ...without('edge', 'wasm-engine'),
    // Options are read and checked above the engine, whatever they come in; routes/fuzz-options makes each engine of random ones.
    ...without('routes', 'hardened-prototype', 'hardened-shapes', 'options'),
    // Queries, channels and dashboards read the exported series; `exporters/prometheus` compares the series with the engine's figures.
    ...withoutAllBut('exporters', 'prometheus'),
    // An adapter asks the engine by acquire() and release() alone: node:http, and fetch where wasm is at home, stand for all frameworks.
    ...withoutAllBut('adapters', 'adapters-http', 'guard-fetch', 'fetch-gone'),
    // Studio's page, its access and its frame; its stream and its actions show the engine's figures.
    ...withoutAllBut('studio', 'studio-stream', 'studio-actions'),
    // Texts, sources, scripts and examples have no engine, or one of their own.
    ...without('package', 'cli*', 'command-lines', 'contributing', 'docs', 'dropin-guide', 'dropin-state'),
    ...without('package', 'dropin-wasm', 'examples*', 'frame', 'hardened-model', 'hardened-secrets'),
    ...without('package', 'instructions', 'loader*', 'modules', 'readme', 'release'),
    ...without('package', 'scripts-*', 'sources', 'version', 'words'),
  )
}

// The functional model has no closed loop. The adapters' tests need it, but for the one that says so; so do these.
if (engine === 'ts') {
  files.push(
    ...without('control', '*'),
    ...withoutAllBut('adapters', 'adapters-http'),
    ...without('loop', 'culprits*', 'loop-room-*'),
    // What threads that end leave behind is memory beside JavaScript's, which this engine has none of.
    ...without('package', 'lifetime'),
  )
}

// Neither Redis nor memcached runs on Windows, and PostgreSQL there has other ways to be started.
if (process.platform === 'win32') files.push(...without('redis', 'redis-*'), ...without('postgres', 'postgres-*'))

/** The files that take longest: they begin first, so that none is left alone at the end. */
const LONGEST = [
  ...['readme', 'postgres-conformance', 'leaks', 'culprits-pool', 'upstream-pace', 'fuzz-patches'],
  ...['redis-store', 'lab-tunnel', 'lifetime', 'bench-swarm', 'hardened-workers', 'record-random'],
  ...['lab-attacks', 'cli', 'loader', 'upstream-crowd', 'adapters-cancel', 'hardened-slow', 'record-damage'],
  ...['monitoring', 'lab-arena', 'shared-budget', 'state-file-ends', 'command-lines', 'machine-processes'],
  ...['lab-plants', 'lab-real', 'lab-grid', 'postgres-history'],
]
const rankOf = (path) => {
  const rank = LONGEST.indexOf(basename(path, '.test.mjs'))
  return rank < 0 ? LONGEST.length : rank
}

export default {
  files,
  require: ['./__test__/_files.mjs'],
  sortTestFiles: (a, b) => rankOf(a) - rankOf(b) || a.localeCompare(b),
  // A process for each file, not a thread: there is one engine of scope 'process' in a process, and files that use it must not meet there.
  workerThreads: false,
  // One more than there are cores: a test that waits for a process or a server leaves its core to another.
  concurrency: availableParallelism() + 1,
  // Without any progress in this time a run is stuck.
  timeout: '5m',
}
