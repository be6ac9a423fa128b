// Only these: ava's own patterns would also take the scripts and the Rust tests' folder for tests.
const files = ['__test__/**/*.test.mjs']

// The lab, its peers and the documentation's snippets use the closed loop, which the functional model does not have.
if (process.env.ATRION_ENGINE === 'ts')
  files.push('!__test__/**/lab-*.test.mjs', '!__test__/**/readme.test.mjs', '!__test__/**/docs.test.mjs')

// Shared state is the addon's whichever engine decides: of its tests, only those of both together are worth repeating, and not its demo.
const NETWORK = ['servers', 'provider', 'faults', 'kinds', 'hostile', 'clients', 'store', 'workers'].map(
  (part) => `!__test__/**/redis-${part}.test.mjs`,
)
if ((process.env.ATRION_ENGINE ?? 'native') !== 'native') files.push(...NETWORK, '!__test__/**/demo-cluster.test.mjs')

// Redis does not run on Windows.
if (process.platform === 'win32') files.push('!__test__/**/redis-*.test.mjs')

export default {
  files,
  // Without any progress in this time a run is stuck.
  timeout: '5m',
}
