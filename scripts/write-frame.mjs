/**
 * Writes the numbers of the cells that JavaScript shares with the engine into ts/engine, as src/binding states them: names and
 * numbers are stated in Rust, their documentation in TypeScript.
 *
 *   node scripts/write-frame.mjs            writes them
 *   node scripts/write-frame.mjs --check    exits with 1 where they are stale
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cliOf } from './lib/cli.mjs'
import { ROOT } from './lib/process.mjs'

const USAGE = `Usage: node scripts/write-frame.mjs [options]

Writes the numbers of the frame's cells into ts/engine, as src/binding states them.

  --check   write nothing; exit with 1 where they are stale
  --help    this text`

/**
 * The copies, by the file of ts/engine that has them: of modules of cells, by their names there; the constant that is a copy's length; and
 * numbers that stand alone, under one name on both sides.
 */
const COPIES = {
  'port.ts': {
    FRAME: { file: 'frame.rs', module: 'cell', length: 'FRAME_CELLS' },
    STATUS: { file: 'frame.rs', module: 'status' },
    STATE: { file: 'blocks.rs', module: 'state' },
    STATS: { file: 'blocks.rs', module: 'stats' },
    TERMS: { file: 'frame.rs', module: 'terms' },
    CAUSE: { file: 'frame.rs', module: 'cause' },
    TERM_ROWS: { file: 'frame.rs' },
    ROW_CELLS: { file: 'frame.rs' },
    BATCH_ROWS: { file: 'wasm.rs' },
  },
  'metric-cells.ts': { METRIC: { file: 'metrics.rs', module: 'metric' }, METRIC_CELLS: { file: 'metrics.rs' } },
  'fleet-cells.ts': {
    BLOCK: { file: 'fleet.rs', module: 'cell' },
    COLUMN: { file: 'fleet.rs', module: 'column' },
  },
  'law-cells.ts': { LAW: { file: 'law.rs', module: 'cell', length: 'LAW_CELLS' } },
}

const CONSTANT = /((?:^[ \t]*\/\/\/.*\n)*)^[ \t]*(?:pub )?const (\w+): \w+ = (\d+);/gm

const constantsIn = (text) =>
  [...text.matchAll(CONSTANT)].map(([, comment, name, value]) => ({
    name,
    value: Number(value),
    doc: comment.replace(/^[ \t]*\/\/\/ ?/gm, '').trim(),
  }))

const numberIn = (text, name) => {
  const constant = constantsIn(text).find((one) => one.name === name)
  if (constant === undefined) throw new Error(`there is no ${name}`)
  return constant.value
}

const blockIn = (text, opening) => {
  const from = text.indexOf(opening)
  if (from < 0) throw new Error(`there is no \`${opening}\``)
  return text.slice(from + opening.length, text.indexOf('\n}', from))
}

/** The members of a copy in the order of Rust's constants, each with what stands before it now, or else with Rust's comment. */
const membersOf = (constants, body, sign) => {
  const member = new RegExp(`((?:(?!^ {2}\\w+${sign}\\d+,).*\\n)*?)^ {2}(\\w+)${sign}\\d+,\\n?`, 'gm')
  const before = new Map([...body.matchAll(member)].map(([, lead, name]) => [name, lead]))
  return constants
    .map(({ name, value, doc }) => `${before.get(name) ?? (doc && `  /** ${doc} */\n`)}  ${name}${sign}${value},\n`)
    .join('')
}

/** @param text a file with copies @param name its name @param rust the texts of src/binding by their names @returns the file with the numbers of Rust */
export const copyOf = (text, name, rust) => {
  let written = text
  for (const [copy, { file, module, length }] of Object.entries(COPIES[name])) {
    if (module === undefined) {
      written = written.replace(new RegExp(`(export const ${copy} = )\\d+`), `$1${numberIn(rust[file], copy)}`)
      continue
    }
    const constants = constantsIn(`${blockIn(rust[file], `pub mod ${module} {`)}\n`)
    if (constants.length < 2) throw new Error(`${file} states no cells for ${copy}`)
    if (length !== undefined) constants.push({ name: 'LENGTH', value: numberIn(rust[file], length) })
    const isEnum = written.includes(`export enum ${copy} {\n`)
    const body = `${blockIn(written, isEnum ? `export enum ${copy} {\n` : `export const ${copy} = {\n`)}\n`
    written = written.replace(body, () => membersOf(constants, body, isEnum ? ' = ' : ': '))
  }
  return written
}

/** The texts that state the cells, by their names. */
export const statements = () => {
  const files = Object.values(COPIES).flatMap((copies) => Object.values(copies).map(({ file }) => file))
  return Object.fromEntries(
    [...new Set(files)].map((file) => [file, readFileSync(join(ROOT, 'src', 'binding', file), 'utf8')]),
  )
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = cliOf(USAGE, { options: { check: { type: 'boolean', default: false } } })
  for (const name of Object.keys(COPIES)) {
    const path = join(ROOT, 'ts', 'engine', name)
    const text = readFileSync(path, 'utf8')
    const written = copyOf(text, name, statements())
    if (written === text) continue
    if (values.check) {
      console.error(`ts/engine/${name} is stale: run \`node scripts/write-frame.mjs\``)
      process.exitCode = 1
    } else writeFileSync(path, written)
  }
}
