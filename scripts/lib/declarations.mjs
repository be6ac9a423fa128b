/** The type declarations that are shipped: those that an entry point of the package leads to. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { manifest } from './platforms.mjs'
import { ROOT } from './process.mjs'

const TYPES = join(ROOT, 'dist', 'types')

/** Every path that a value of package.json has in it. */
const stringsIn = (value) =>
  typeof value === 'string'
    ? [value]
    : value && typeof value === 'object'
      ? Object.values(value).flatMap(stringsIn)
      : []

const importsOf = (file) =>
  [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g)].map(([, name]) =>
    resolve(dirname(file), name.replace(/\.(?:[cm]?js|d\.ts)$/, '.d.ts')),
  )

const reach = (file, found) => {
  if (found.has(file) || !existsSync(file)) return found
  found.add(file)
  for (const next of importsOf(file)) reach(next, found)
  return found
}

/** A level of indentation is one space: the compiler writes four, which an install pays for. Comments keep the space before their star. */
const outdented = (text) => text.replace(/^(?: {4})+/gm, (indent) => ' '.repeat(indent.length / 4))

/** Removes the declarations that nothing leads to, and folders that are empty then; the others are outdented. */
export const pruneDeclarations = () => {
  const { exports } = manifest()
  const entries = [...stringsIn(exports).filter((path) => path.endsWith('.d.ts')), './dist/types/index.d.ts']
  const found = new Set()
  for (const entry of entries) reach(resolve(ROOT, entry), found)
  const all = readdirSync(TYPES, { recursive: true, withFileTypes: true })
  for (const file of all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))) {
    if (!found.has(file)) rmSync(file)
    else writeFileSync(file, outdented(readFileSync(file, 'utf8')))
  }
  const folders = all.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  for (const folder of folders.sort((a, b) => b.length - a.length))
    if (readdirSync(folder).length === 0) rmdirSync(folder)
}
