// The cause that keeps an engine from loading is named, with the remedy: a flag of the process, or its environment.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import fc from '../_random.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const node = (args, env = {}) =>
  spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ATRION_SIMD: '', ...env } })

/** The engine, or the error, of an instance and of a fleet, a line each. */
const TRY = (engine) => `
  for (const make of [() => new (require('atrion').Atrion)({ engine: '${engine}' }), () => new (require('atrion/fleet').Fleet)(1, { engine: '${engine}' })])
    try { console.log(make().engine) } catch (error) { console.log(error.name + ': ' + error.message + ' | ' + (error.installCommand ?? error.remedy)) }`

const NO_WASM = ['--jitless', '--no-expose-wasm']

for (const flag of NO_WASM) {
  test(`an engine without WebAssembly says so, and its command brings it back: ${flag}`, (t) => {
    const lines = node([flag, '-e', TRY('wasm')])
      .stdout.trim()
      .split('\n')
    t.is(lines.length, 2)
    for (const line of lines) {
      t.regex(line, /^DependencyError: engine 'wasm' did not load: .*without WebAssembly.*--jitless/)
      t.notRegex(line, /npm install|not defined/)
      const command = /run `node ([^`]+)`/.exec(line)[1].split(' ')
      t.is(node([flag, ...command, '-e', TRY('wasm')]).stdout.trim(), 'wasm\nwasm')
    }
  })

  test(`the doctor names the flag that takes WebAssembly away: ${flag}`, (t) => {
    const { stdout } = node([flag, 'dist/cli.cjs', 'doctor', '--json'])
    const { engines } = JSON.parse(stdout)
    t.false(engines.wasm.ok)
    t.regex(engines.wasm.causes.join(), /^this process runs without WebAssembly, as by --jitless$/)
    t.is(engines.wasm.remedy, 'node --no-jitless --expose-wasm')
  })
}

test('without addon and without WebAssembly both causes are named, of a fleet as well', (t) => {
  const { stdout, stderr } = node(['--jitless', '--no-addons', '-e', TRY('auto')])
  const [engine, fleet] = stdout.trim().split('\n')
  t.is(engine, 'ts')
  for (const text of [stderr, fleet]) {
    t.regex(text, /--no-addons/)
    t.regex(text, /without WebAssembly/)
    t.regex(text, /(?:repair it: |run `)node --addons/)
    t.notRegex(text, /npm install/)
  }
})

test('an instruction set that there is not is named with those that there are, and with what mends it', (t) => {
  const name = fc.stringMatching(/^[a-z0-9]{1,9}$/).filter((set) => !['portable', 'sse2', 'avx2', 'neon'].includes(set))
  fc.assert(
    fc.property(name, (set) => {
      const { stdout, stderr } = node(['-e', TRY('auto')], { ATRION_SIMD: set })
      const [engine, fleet] = stdout.trim().split('\n')
      t.is(engine, 'wasm')
      const cause = `ATRION_SIMD must be one of portable`
      for (const text of [stderr, fleet]) {
        t.true(text.includes(cause) && text.includes(`got "${set}"`), text)
        t.true(text.includes('unset ATRION_SIMD'), text)
        t.notRegex(text, /npm install/)
      }
    }),
    { numRuns: 4 },
  )
  const report = JSON.parse(node(['dist/cli.cjs', 'doctor', '--json'], { ATRION_SIMD: 'avx9' }).stdout)
  t.is(report.engines.native.remedy, 'unset ATRION_SIMD')
  t.regex(report.problems.join(), /ATRION_SIMD must be one of portable.*got "avx9".*To repair it: unset ATRION_SIMD/)
})
