// Parts of the package that it does not export, for tests of their own: bundled from their source.
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

const SOURCES = fileURLToPath(new URL('../ts/', import.meta.url))

/** The exports of a file in `ts/`. */
export async function sourceOf(file) {
  const bundle = await rolldown({ input: join(SOURCES, file) })
  const { output } = await bundle.generate({ format: 'esm' })
  const folder = await mkdtemp(join(tmpdir(), 'atrion-source-'))
  const path = join(folder, 'part.mjs')
  writeFileSync(path, output[0].code)
  try {
    return await import(pathToFileURL(path).href)
  } finally {
    await rm(folder, { recursive: true })
  }
}
