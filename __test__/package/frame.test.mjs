// The cells of the frame are stated in Rust, and copied into the engine port by a script.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { portOf } from '../../scripts/write-frame.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const read = (file) => readFileSync(join(ROOT, file), 'utf8')
const RUST = read('src/binding/frame.rs')
const PORT = read('ts/engine/port.ts')

test('the copy in ts/engine/port.ts is not stale', (t) => {
  t.is(portOf(PORT, RUST), PORT, 'node scripts/write-frame.mjs writes it anew')
})

test('a cell that moves, appears or goes in Rust does so in the copy, and every other comment stays', (t) => {
  const moved = portOf(PORT, RUST.replace('pub const SLOT: usize = 0;', 'pub const SLOT: usize = 77;'))
  t.is(moved, PORT.replace('  SLOT = 0,', '  SLOT = 77,'))
  const added = portOf(
    PORT,
    RUST.replace('    pub const NOW: usize', '    /// ms\n    pub const EXTRA: usize = 63;\n    pub const NOW: usize'),
  )
  t.is(added, PORT.replace('  SLOT = 0,\n', '  SLOT = 0,\n  /** ms */\n  EXTRA = 63,\n'))
  const gone = portOf(PORT, RUST.replace('    pub const VOID: u32 = 128;\n', ''))
  t.false(/^ {2}VOID = /m.test(gone))
  t.is(gone.split('\n').length, PORT.split('\n').length - 2)
  t.regex(portOf(PORT, RUST.replace('FRAME_CELLS: usize = 128', 'FRAME_CELLS: usize = 256')), /^ {2}LENGTH = 256,$/m)
})

test('a statement that cannot be read is an error, and never an empty copy', (t) => {
  t.throws(() => portOf(PORT, RUST.replace('pub mod cell {', 'pub mod cells {')), { message: /pub mod cell/ })
  t.throws(() => portOf(PORT, RUST.replace('FRAME_CELLS', 'CELLS_OF_FRAME')), { message: /FRAME_CELLS/ })
})
