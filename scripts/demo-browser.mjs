/** The demo in a browser: `npm run demo:browser -- --help`. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cliOf } from './lib/cli.mjs'
import { node, ROOT } from './lib/process.mjs'
import { serve } from './lib/serve.mjs'

const OUT = join(ROOT, 'docs', 'demo')
const ESM = join(ROOT, 'dist', 'esm')
const ENTRY = 'stream.mjs'

/** A file of the package and all that it imports, relative to dist/esm. */
const withImports = (file, found = new Set()) => {
  if (found.has(file)) return found
  found.add(file)
  const names = readFileSync(join(ESM, file), 'utf8').matchAll(/\bfrom ?"(\.[^"]+)"|\bimport ?"(\.[^"]+)"/g)
  for (const [, from, bare] of names) withImports(posix.join(posix.dirname(file), from ?? bare), found)
  return found
}

/** Puts the page and the shipped module into docs/demo/. */
export const buildDemo = async () => {
  if (!existsSync(join(ESM, ENTRY))) {
    for (const part of ['wasm', 'ts']) await node(join(ROOT, 'scripts', 'build.mjs'), [part])
  }
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  cpSync(join(ROOT, 'demo', 'browser'), OUT, { recursive: true })
  cpSync(join(ROOT, 'dist', 'atrion.wasm'), join(OUT, 'atrion', 'atrion.wasm'))
  for (const file of withImports(ENTRY)) cpSync(join(ESM, file), join(OUT, 'atrion', 'esm', file))
}

/** Serves docs/demo/ on this machine only; resolves to the server once it listens. */
export const serveDemo = (port = 0) => serve(OUT, port)

const USAGE = `Usage: npm run demo:browser -- [options]

Builds the demo into docs/demo/ and serves it on this machine.

  --build   only build it: docs/demo/ then works on any static host
  --help    this text

PORT names the port (default 8080; the next free one where it is taken).`

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = cliOf(USAGE, { options: { build: { type: 'boolean', default: false } } })
  await buildDemo()
  if (values.build) {
    console.log('The demo is in docs/demo/.')
  } else {
    const server = await serveDemo(Number(process.env.PORT ?? 8080))
    console.log(`The demo is at http://127.0.0.1:${server.address().port}/ until you press Ctrl+C.`)
  }
}
