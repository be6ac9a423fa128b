// The threat model names tests, and these are there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const FOLDER = fileURLToPath(new URL('../../docs/operations', import.meta.url))
const page = readFileSync(join(FOLDER, 'security.md'), 'utf8')
/** [name, file] of every test that the page links to. */
const named = [...page.matchAll(/\[([^\]]+)\]\(((?:\.\.\/)+(?:__test__|tests)\/[^)]+)\)/g)].map(([, ...link]) => link)

test('every test that the threat model names is in the file that it links to', (t) => {
  t.true(named.length > 30, `${named.length}`)
  for (const [name, file] of named) {
    const source = readFileSync(join(FOLDER, file), 'utf8')
    const declared = file.endsWith('.rs') ? `fn ${name.replaceAll(' ', '_')}(` : name
    t.true(source.includes(declared), `${file}: ${name}`)
  }
})

test('every actor and every kind of clock has a row with a test', (t) => {
  for (const actor of ['Client', 'Authenticated client', 'Peer node', 'Writer to Redis', 'Operator', 'Dependency']) {
    const row = page.split('\n').find((line) => line.startsWith(`| **${actor}**`))
    t.regex(row ?? '', /__test__|tests\//, actor)
  }
  const clocks = page
    .slice(page.indexOf('## Time'))
    .split('\n')
    .filter((line) => line.startsWith('| '))
  for (const row of clocks.slice(1)) t.regex(row, /__test__/, row)
})
