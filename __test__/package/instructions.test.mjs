// The shipped code computes in single IEEE-754 operations: a fused multiply-add, or relaxed SIMD, would round otherwise on one processor
// than on another.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import binaryen from 'binaryen'
import { ROOT } from '../../scripts/lib/process.mjs'

const ADDONS = readdirSync(ROOT).filter((name) => name.endsWith('.node'))
const DISASSEMBLER = ['objdump', 'llvm-objdump'].find((name) => spawnSync(name, ['--version']).status === 0)

/** Fused multiplications of x86-64 and aarch64. */
const FUSED = /\t(vf(?:n)?m(?:add|sub|addsub|subadd)\w*|f(?:n)?m(?:add|sub)|fml[as]l?2?)\b/
/** ... and multiplications that are not, which are to be found. */
const PLAIN = /\t(?:v?mulpd|mulsd|fmul)\b/

const fusedIn = (text) => text.split('\n').filter((line) => FUSED.test(line))

/** The disassembly of an addon; undefined where the disassembler does not know its processor. */
const disassemblyOf = (file) => {
  const options = { encoding: 'utf8', maxBuffer: 2 ** 30 }
  const { status, stdout } = spawnSync(DISASSEMBLER, ['-d', '--no-show-raw-insn', file], options)
  return status === 0 && PLAIN.test(stdout) ? stdout : undefined
}

const withTools = DISASSEMBLER !== undefined && ADDONS.length > 0 ? test : test.skip

withTools('no addon fuses a multiplication and an addition', (t) => {
  const read = ADDONS.map((name) => [name, disassemblyOf(join(ROOT, name))]).filter(([, text]) => text !== undefined)
  t.true(read.length > 0, 'the addon of this machine is read')
  for (const [name, text] of read) t.deepEqual(fusedIn(text).slice(0, 5), [], name)
})

test('a fused operation is found, and a plain one is none', (t) => {
  const fused = [
    'vfmadd231pd %ymm1,%ymm2,%ymm3',
    'vfnmsub132sd %xmm0,%xmm1,%xmm2',
    'fmadd d0, d1, d2, d3',
    'fmla v0.2d, v1.2d, v2.2d',
  ]
  const plain = ['vmulpd %ymm1,%ymm2,%ymm3', 'vaddpd %ymm1,%ymm2,%ymm3', 'fmul v0.2d, v1.2d, v2.2d', 'fadd d0, d1, d2']
  const lines = (operations) => operations.map((operation) => `  1000:\t${operation}`).join('\n')
  t.is(fusedIn(lines(fused)).length, fused.length)
  t.deepEqual(fusedIn(lines(plain)), [])
})

for (const name of ['atrion.wasm', 'fleet.wasm']) {
  const file = join(ROOT, 'dist', name)
  const withModule = existsSync(file) ? test : test.skip
  withModule(`${name} has SIMD, and none of it is relaxed`, (t) => {
    const module = binaryen.readBinary(readFileSync(file))
    const text = module.emitText()
    module.dispose()
    t.regex(text, /f64x2\.mul/)
    t.notRegex(text, /relaxed/)
  })
}
