// The cells that JavaScript shares with the engine are stated in Rust, and copied into the engine port by a script.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { copyOf, statements } from '../../scripts/write-frame.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const RUST = statements()
const read = (name) => readFileSync(join(ROOT, 'ts/engine', name), 'utf8')
const PORT = read('port.ts')
const LAW = read('law-cells.ts')

const portOf = (port, rust) => copyOf(port, 'port.ts', rust)
const lawOf = (law, rust) => copyOf(law, 'law-cells.ts', rust)

/** The statements, with one file changed. */
const changed = (file, from, to) => {
  if (!RUST[file].includes(from)) throw new Error(`${file} has no ${from}`)
  return { ...RUST, [file]: RUST[file].replace(from, to) }
}

test('the copies in ts/engine are not stale', (t) => {
  t.is(lawOf(LAW, RUST), LAW, 'node scripts/write-frame.mjs writes it anew')
  t.is(portOf(PORT, RUST), PORT, 'node scripts/write-frame.mjs writes it anew')
})

test('a cell that moves, appears or goes in Rust does so in the copy, and every other comment stays', (t) => {
  const moved = portOf(PORT, changed('frame.rs', 'pub const SLOT: usize = 0;', 'pub const SLOT: usize = 77;'))
  t.is(moved, PORT.replace('  SLOT = 0,', '  SLOT = 77,'))
  const added = portOf(
    PORT,
    changed(
      'frame.rs',
      '    pub const NOW: usize',
      '    /// ms\n    pub const EXTRA: usize = 63;\n    pub const NOW: usize',
    ),
  )
  t.is(added, PORT.replace('  SLOT = 0,\n', '  SLOT = 0,\n  /** ms */\n  EXTRA = 63,\n'))
  const gone = portOf(PORT, changed('frame.rs', '    pub const VOID: u32 = 128;\n', ''))
  t.false(/^ {2}VOID = /m.test(gone))
  t.is(gone.split('\n').length, PORT.split('\n').length - 2)
  t.regex(
    portOf(PORT, changed('frame.rs', 'FRAME_CELLS: usize = 1408', 'FRAME_CELLS: usize = 256')),
    /^ {2}LENGTH = 256,$/m,
  )
})

test('so does a cell of the state, of the statistics and of a law', (t) => {
  const cases = [
    [
      'blocks.rs',
      'pub const MOMENTUM: usize = 7;',
      'pub const MOMENTUM: usize = 19;',
      '  MOMENTUM: 7,',
      '  MOMENTUM: 19,',
    ],
    [
      'blocks.rs',
      'pub const SUCCESS: usize = 16;',
      'pub const SUCCESS: usize = 18;',
      '  SUCCESS: 16,',
      '  SUCCESS: 18,',
    ],
  ]
  for (const [file, from, to, before, after] of cases) {
    t.is(portOf(PORT, changed(file, from, to)), PORT.replace(before, after), to)
  }
  const pool = changed('law.rs', 'pub const POOL: usize = 27;', 'pub const POOL: usize = 34;')
  t.is(lawOf(LAW, pool), LAW.replace('  POOL: 27,', '  POOL: 34,'))
  t.regex(lawOf(LAW, changed('law.rs', 'LAW_CELLS: usize = 36', 'LAW_CELLS: usize = 40')), /^ {2}LENGTH: 40,$/m)
  t.regex(portOf(PORT, changed('wasm.rs', 'BATCH_ROWS: usize = 4096', 'BATCH_ROWS: usize = 8192')), /BATCH_ROWS = 8192/)
})

test('a statement that cannot be read is an error, and never an empty copy', (t) => {
  t.throws(() => portOf(PORT, changed('frame.rs', 'pub mod cell {', 'pub mod cells {')), { message: /pub mod cell/ })
  t.throws(() => portOf(PORT, changed('frame.rs', 'FRAME_CELLS', 'CELLS_OF_FRAME')), { message: /FRAME_CELLS/ })
  t.throws(() => lawOf(LAW, changed('law.rs', 'LAW_CELLS', 'CELLS_OF_LAW')), { message: /LAW_CELLS/ })
  t.throws(() => portOf(PORT, changed('blocks.rs', 'pub mod stats {', 'pub mod statistics {')), {
    message: /pub mod stats/,
  })
})
