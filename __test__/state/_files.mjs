/** Folders and files for the tests of state in a file. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { FileStateProvider } from 'atrion'
import test from 'ava'

const folder = mkdtempSync(join(tmpdir(), 'atrion-file-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

let folders = 0
/** A path in a folder of its own. */
export const newPath = () => {
  const own = join(folder, `${folders++}`)
  mkdirSync(own)
  return join(own, 'state.json')
}

export const connected = async (path, options) => {
  const provider = new FileStateProvider(path, options)
  await provider.connect()
  return provider
}

/** The names of the other files in its folder. */
export const besides = (path) => readdirSync(dirname(path)).filter((name) => name !== basename(path))
