// Only these: ava's own patterns would also take the scripts and the Rust tests' folder for tests.
export default {
  files: ['__test__/**/*.test.mjs'],
  // Without any progress in this time a run is stuck.
  timeout: '5m',
}
