/**
 * Checks what has to agree before a release: the tag, the version in every file, the changelog.
 *
 *   TAG=v3.1.0 node scripts/release-check.mjs    without a tag only the files are compared
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifest } from './lib/platforms.mjs'
import { ROOT } from './lib/process.mjs'

const { version } = manifest()
const tag = process.env.TAG ?? ''
const problems = []
if (tag !== '' && tag !== `v${version}`) problems.push(`the tag is ${tag}, and package.json has ${version}`)

const check = spawnSync(process.execPath, [join(ROOT, 'scripts', 'version.mjs'), '--check'], { encoding: 'utf8' })
if (check.status !== 0) problems.push(`files are out of step; run node scripts/version.mjs:\n${check.stdout}`)

const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')
const heading = changelog
  .match(/^## .*$/gm)
  ?.find((line) => line.startsWith(`## ${version} `) || line === `## ${version}`)
if (heading === undefined) problems.push(`CHANGELOG.md has no section '## ${version}'`)
else if (tag !== '' && /unreleased/i.test(heading))
  problems.push(`CHANGELOG.md calls ${version} unreleased: put its date there`)

for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
