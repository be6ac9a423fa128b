// Only these: ava's own patterns would also take the scripts and the Rust tests' folder for tests.
const files = ['__test__/**/*.test.mjs']

// The lab, its peers and the README's snippets use the closed loop, which the functional model does not have.
if (process.env.ATRION_ENGINE === 'ts') files.push('!__test__/lab-*.test.mjs', '!__test__/readme.test.mjs')

export default {
  files,
  // Without any progress in this time a run is stuck.
  timeout: '5m',
}
