// The release: the workflow pins its actions and asks for no right that it does not need; the check refuses what does not agree.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { platforms } from '../../scripts/lib/platforms.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WORKFLOW = readFileSync(join(ROOT, '.github', 'workflows', 'release.yml'), 'utf8')
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

test('every action is pinned by the hash of a commit', (t) => {
  const uses = [...WORKFLOW.matchAll(/uses: (\S+)(.*)/g)]
  t.true(uses.length > 10)
  for (const [, action, comment] of uses) {
    t.regex(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
    t.regex(comment, /^ # v\d+\.\d+\.\d+$/, action)
  }
})

test('only the job that publishes may ask for an identity, and nothing may write', (t) => {
  t.regex(WORKFLOW, /^permissions:\n {2}contents: read\n/m)
  t.is(WORKFLOW.match(/id-token: write/g).length, 1)
  t.true(WORKFLOW.indexOf('id-token: write') > WORKFLOW.indexOf('\n  publish:'))
  t.notRegex(WORKFLOW, /contents: write|packages: write|secrets\./)
})

test('every platform is built, tested where it belongs, and laid out under npm/', (t) => {
  const folders = readdirSync(join(ROOT, 'npm'))
  t.deepEqual(
    folders.sort(),
    platforms()
      .map(({ name }) => name)
      .sort(),
  )
  for (const { target, name } of platforms()) {
    t.regex(WORKFLOW, new RegExp(`target: ${target},`))
    t.regex(WORKFLOW, new RegExp(`- \\{ name: ${name}, os: `))
  }
  // The published names are those that the loader looks for.
  const source = readFileSync(join(ROOT, 'ts', 'addon', 'platform.ts'), 'utf8')
  const built = [
    ...source
      .slice(source.indexOf('const BUILT'), source.indexOf(']', source.indexOf('const BUILT') + 40))
      .matchAll(/'([^']+)'/g),
  ]
  const wanted = new Set(platforms().map(({ os, cpu }) => `${os}-${cpu}`))
  t.deepEqual(built.map(([, name]) => name).sort(), [...wanted].sort())
})

test('the check refuses a tag of another version, and a changelog without it', (t) => {
  const check = (tag) => {
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'release-check.mjs')], {
      env: { ...process.env, TAG: tag },
      encoding: 'utf8',
    })
    return { status, stderr }
  }
  t.is(check('').status, 0)
  const wrong = check('v0.0.1')
  t.is(wrong.status, 1)
  t.true(wrong.stderr.includes(`the tag is v0.0.1, and package.json has ${version}`))
})
