// The migration page: its code runs, and what it calls the same is.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { snippetsOf } from '../_snippets.mjs'

const HERE = dirname(dirname(fileURLToPath(import.meta.url)))
const PAGE = join(dirname(HERE), 'docs', 'guide', 'migrating-from-2.0.md')
const text = readFileSync(PAGE, 'utf8')
const folder = mkdtempSync(join(HERE, '.snippets-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

for (const { line, language, code } of snippetsOf(text)) {
  test(`migrating-from-2.0.md:${line} runs`, (t) => {
    const file = join(folder, `line-${line}.${language}`)
    writeFileSync(file, code)
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: 'utf8' })
    t.is(status, 0, `${stdout}${stderr}`)
    t.regex(stdout, /^true 12 BOOTSTRAP OK$/m)
    t.regex(stdout, /^Insufficient voltage: V=-1 ≤ R=12\.0Ω$/m)
    t.regex(stdout, /^true true$/m)
  })
}

test('the page says which Node is needed, as package.json does', (t) => {
  const { engines } = JSON.parse(readFileSync(join(dirname(HERE), 'package.json'), 'utf8'))
  t.is(engines.node, '>=20')
  t.regex(text, /Node 20 or later/)
  t.regex(text, /Node 18 is no longer supported/)
})
