// Checks the statements of CONTRIBUTING about files.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const TEXT = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')

/** Paths in backticks: with a slash, or a file's ending. */
const pathsIn = (text) =>
  [...text.matchAll(/`([^`\s]+)`/g)]
    .map(([, path]) => path)
    .filter((path) => /^[\w.-]+(\/|\.(md|json|mjs|ts|rs)$)/.test(path) && !path.includes('@'))

const section = TEXT.slice(TEXT.indexOf('## To add something'), TEXT.indexOf('## Habits'))
const rows = section.split('\n').filter((line) => /^\| an? /.test(line))

test('every kind of change has its row, and every file that it names is there', (t) => {
  const kinds = rows.map((row) => row.split('|')[1].trim())
  t.deepEqual(kinds, [
    'an adapter',
    'a SIMD kernel',
    'a constant of a law',
    'a method of the engine',
    'a signal per request',
    'a store',
    'a store in Rust',
  ])
  for (const row of rows) {
    const paths = pathsIn(row)
    t.true(paths.length >= 2, row)
    for (const path of paths) t.true(existsSync(join(ROOT, path)), path)
  }
})

test('every path of the layout is there', (t) => {
  const layout = TEXT.slice(TEXT.indexOf('## How it is laid out'), TEXT.indexOf('## To add something'))
  const paths = pathsIn(layout).filter((path) => path.includes('/') && !path.startsWith('physics/'))
  t.true(paths.length > 15)
  for (const path of paths.filter((one) => !/^(?:engine|replication|binding)\/$/.test(one))) {
    t.true(existsSync(join(ROOT, path)), path)
  }
})
