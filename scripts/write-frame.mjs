/**
 * Writes the numbers of the frame's cells and status bits into ts/engine/port.ts, as src/binding/frame.rs states them: the
 * names and numbers are stated in Rust, their documentation in TypeScript.
 *
 *   node scripts/write-frame.mjs            writes them
 *   node scripts/write-frame.mjs --check    exits with 1 where they are stale
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from './lib/process.mjs'

const RUST = join(ROOT, 'src', 'binding', 'frame.rs')
const PORT = join(ROOT, 'ts', 'engine', 'port.ts')

const CONSTANT = /((?:^[ \t]*\/\/\/.*\n)*)^[ \t]*pub const (\w+): \w+ = (\d+);/gm

const constantsIn = (text) =>
  [...text.matchAll(CONSTANT)].map(([, comment, name, value]) => ({
    name,
    value: Number(value),
    doc: comment.replace(/^[ \t]*\/\/\/ ?/gm, '').trim(),
  }))

const blockIn = (text, opening) => {
  const from = text.indexOf(opening)
  if (from < 0) throw new Error(`there is no \`${opening}\``)
  return text.slice(from + opening.length, text.indexOf('\n}', from))
}

/** The members of an enum in the order of Rust's constants, each with what stands before it now, or else with Rust's comment. */
const membersOf = (constants, body) => {
  const before = new Map(
    [...body.matchAll(/((?:(?!^ {2}\w+ = \d+,).*\n)*?)^ {2}(\w+) = \d+,\n?/gm)].map(([, lead, name]) => [name, lead]),
  )
  return constants
    .map(({ name, value, doc }) => `${before.get(name) ?? (doc && `  /** ${doc} */\n`)}  ${name} = ${value},\n`)
    .join('')
}

/** @param port text of port.ts @param rust text of frame.rs @returns port.ts with the numbers of frame.rs */
export const portOf = (port, rust) => {
  const whole = constantsIn(rust.replace(/^pub mod \w+ \{[\s\S]*?^\}/gm, ''))
  const numberOf = (name) => {
    const constant = whole.find((one) => one.name === name)
    if (constant === undefined) throw new Error(`frame.rs has no ${name}`)
    return constant.value
  }
  const enumerations = {
    FRAME: [...constantsIn(blockIn(rust, 'pub mod cell {\n')), { name: 'LENGTH', value: numberOf('FRAME_CELLS') }],
    STATUS: constantsIn(blockIn(rust, 'pub mod status {\n')),
  }
  let text = port
  for (const [name, constants] of Object.entries(enumerations)) {
    if (constants.length < 2) throw new Error(`frame.rs states no cells for ${name}`)
    const body = `${blockIn(text, `export enum ${name} {\n`)}\n`
    text = text.replace(body, () => membersOf(constants, body))
  }
  return text.replace(/(export const ROW_CELLS = )\d+/, `$1${numberOf('ROW_CELLS')}`)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = readFileSync(PORT, 'utf8')
  const written = portOf(port, readFileSync(RUST, 'utf8'))
  if (written !== port && process.argv.includes('--check')) {
    console.error('ts/engine/port.ts is stale: run `node scripts/write-frame.mjs`')
    process.exit(1)
  }
  if (written !== port) writeFileSync(PORT, written)
}
