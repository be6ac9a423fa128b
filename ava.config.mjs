import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const engine = process.env.ATRION_ENGINE ?? 'native'

/** Test files by folder and the beginning of their names, as patterns that leave them out. */
const without = (folder, ...names) => names.map((name) => `!__test__/${folder}/${name}.test.mjs`)

// Only these: ava's own patterns would also take the scripts and the Rust tests' folder for tests.
const files = ['__test__/**/*.test.mjs']

if (engine !== 'native') {
  files.push(
    // Shared state is the addon's whichever engine decides: of its tests, only those of both together are worth repeating.
    ...without(
      'redis',
      ...['servers', 'provider', 'faults', 'kinds', 'hostile', 'clients', 'store', 'workers'].map(
        (it) => `redis-${it}`,
      ),
    ),
    // The lab and its demos measure the law, which is one law to the last bit on every engine that has it: edge/wasm-parity holds that.
    ...without('lab', 'lab-*', 'bench-swarm', ...['cluster', 'live', 'shop', 'swarm'].map((it) => `demo-${it}`)),
    // Budgets, patches, stores, formats and the functional model are the same code on every engine.
    ...without('swarm', '*'),
    ...without('postgres', '*'),
    ...without('machine', '*'),
    ...without('auto', '*'),
    ...without('core', '*'),
    ...without('control', 'fuzz-patches'),
    ...without('record', 'access-logs', 'record-damage'),
    ...without('state', 'documents', 'state-conformance', 'state-file-ends', 'state-kv', 'state-memcached'),
    // Texts, sources and scripts have no engine.
    ...without('package', 'cli', 'command-lines', 'contributing', 'docs', 'dropin-guide', 'frame', 'hardened-model'),
    ...without('package', 'loader', 'readme', 'release', 'scripts-*', 'sources', 'version', 'words'),
    ...without('studio', 'studio-cli'),
  )
}

// The functional model has no closed loop. The adapters' tests need it, but for the one that says so.
if (engine === 'ts') {
  files.push(...['record', 'control', 'devtools'].flatMap((folder) => without(folder, '*')))
  const adapters = readdirSync(new URL('__test__/adapters', import.meta.url)).filter((name) =>
    name.endsWith('.test.mjs'),
  )
  files.push(
    ...adapters.filter((name) => name !== 'adapters-http.test.mjs').map((name) => `!__test__/adapters/${name}`),
  )
}

// Neither Redis nor memcached runs on Windows, and PostgreSQL there has other ways to be started.
if (process.platform === 'win32') files.push(...without('redis', 'redis-*'), ...without('postgres', 'postgres-*'))

export default {
  files,
  // One more than there are cores: a test that waits for a process or a server leaves its core to another.
  concurrency: availableParallelism() + 1,
  // Without any progress in this time a run is stuck.
  timeout: '5m',
}
