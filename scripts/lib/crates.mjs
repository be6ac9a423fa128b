/** The crates behind the addon: what they are, and whether `deny.toml` lets them in. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, run } from './process.mjs'

/** Every crate that is compiled, on any platform, into the addon or to build it, as `cargo metadata` has them. */
export const cratesOf = async () => {
  const { code, output } = await run('cargo', ['metadata', '--format-version', '1', '--locked'], { quiet: true })
  const json = output.split('\n').find((line) => line.startsWith('{'))
  if (code !== 0 || json === undefined) throw new Error(`cargo metadata failed:\n${output.slice(0, 2000)}`)
  const { packages, resolve } = JSON.parse(json)
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const used = new Set([resolve.root])
  for (const id of used) {
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      if (kinds.some(({ kind }) => kind !== 'dev')) used.add(pkg)
    }
  }
  return packages.filter(({ id }) => used.has(id))
}

/** A list of strings of `deny.toml`. */
const listOf = (name) => {
  const text = readFileSync(join(ROOT, 'deny.toml'), 'utf8')
  const list = new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm').exec(text)
  if (list === null) throw new Error(`deny.toml has no list '${name}'`)
  return [...list[1].matchAll(/"([^"]*)"/g)].map(([, value]) => value)
}

/** Returns whether an SPDX expression leaves a choice among the allowed licences. Parentheses are read as the crates use them. */
const isAllowed = (expression, allowed) =>
  (expression ?? '').split(/\s+AND\s+/).every((part) =>
    part
      .replace(/[()]/g, '')
      .split(/\s+OR\s+|\s*\/\s*/)
      .some((licence) => allowed.includes(licence.replace(/\s+WITH\s+.*/, '').trim())),
  )

/** Returns the problems of the crates by `deny.toml`, one line each. */
export const crateProblems = async () => {
  const licences = listOf('allow')
  const registries = listOf('allow-registry')
  return (await cratesOf()).flatMap(({ name, version, license, source }) => [
    ...(isAllowed(license, licences) ? [] : [`${name} ${version}: licence ${license ?? 'not stated'}`]),
    ...(source === null || registries.some((one) => source === `registry+${one}`)
      ? []
      : [`${name} ${version}: source ${source}`]),
  ])
}
