/** The test suites: each runs to its end, shows failures as they come, and resolves to a verdict. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { entryOf, node, ROOT, run } from './process.mjs'
import { say, sometimes } from './progress.mjs'
import { CargoCounter, TapCounter, verdictOf, verdictOfCheck } from './tally.mjs'
import { rustProblem } from './toolchain.mjs'

/** Engines that the ava suite runs on. */
export const ENGINES = ['native', 'ts']

/** cargo's unit, integration and documentation tests. */
export const cargoSuite = async () => {
  say('cargo test.')
  const counter = new CargoCounter()
  const problem = await rustProblem()
  if (problem) {
    console.error(problem)
    return verdictOf('cargo', counter, 127)
  }
  const beat = sometimes()
  const onLine = (line) => {
    counter.take(line)
    if (/^test .* \.\.\. (ok|ignored.*)$|^\s*$|^running \d+/.test(line)) beat(`cargo: ${counter.passed} passed so far.`)
    else console.log(line)
  }
  const { code } = await run('cargo', ['test', '--no-fail-fast'], { onLine })
  return verdictOf('cargo', counter, code)
}

/** The ava suite on one engine, by a Node of one's choice. */
export const avaSuite = async (
  engine,
  { nodePath = process.execPath, name = `ava, engine ${engine}`, args = [] } = {},
) => {
  say(`${name}.`)
  const counter = new TapCounter()
  const beat = sometimes()
  let failing = false
  const onLine = (line) => {
    const failed = counter.take(line)
    // A failed test's diagnostics are the indented lines that follow it.
    failing = failed || (failing && /^\s/.test(line))
    const noise = /^(ok |TAP version|1\.\.\d|# (tests|pass|fail|skip|todo|ava)|\s*$)/.test(line)
    if (failing || !(noise || /^\s|^#/.test(line))) console.log(line)
    beat(`${name}: ${counter.passed} passed, ${counter.failed} failed so far.`)
  }
  const env = { ATRION_ENGINE: engine, FORCE_COLOR: '0' }
  const { code } = await node(entryOf('ava', 'ava'), ['--tap', ...args], { nodePath, env, onLine })
  return verdictOf(name, counter, code)
}

const TYPES = join('__test__', 'types')

/**
 * The type tests: each folder under `__test__/types` is compiled against the built package as one kind of consumer, and
 * what comes out is run. Adding a file to a folder adds it to the test.
 */
export const typeSuite = async () => {
  const verdicts = []
  for (const consumer of ['cjs', 'esm']) {
    const name = `types, ${consumer}`
    say(`${name}.`)
    const compiled = await node(entryOf('typescript', 'tsc'), ['-p', join(TYPES, `tsconfig.${consumer}.json`)])
    verdicts.push(verdictOfCheck(`${name}: compile`, compiled.code))
    const folder = join(ROOT, '.cache', 'types', consumer)
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => /\.[cm]js$/.test(file)) : []
    if (files.length === 0) verdicts.push(verdictOfCheck(`${name}: run`, 1, 'there is nothing to run'))
    for (const file of files) {
      const { code } = await node(join(folder, file), [])
      verdicts.push(verdictOfCheck(`${name}: run ${file}`, code))
    }
  }
  return verdicts
}
