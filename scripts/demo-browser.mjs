/**
 * The demo in a browser.
 *
 *   npm run demo:browser              builds it into docs/demo/ and serves it
 *   npm run demo:browser -- --build   only builds it: docs/demo/ then works on any static host
 */
import { cpSync, createReadStream, existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { pathToFileURL } from 'node:url'
import { node, ROOT } from './lib/process.mjs'

const OUT = join(ROOT, 'docs', 'demo')
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
}

/** Puts the page and the shipped module into docs/demo/. */
export const buildDemo = async () => {
  if (!existsSync(join(ROOT, 'dist', 'web', 'stream.mjs'))) {
    for (const part of ['wasm', 'ts']) await node(join(ROOT, 'scripts', 'build.mjs'), [part])
  }
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  cpSync(join(ROOT, 'demo', 'browser'), OUT, { recursive: true })
  cpSync(join(ROOT, 'dist', 'atrion.wasm'), join(OUT, 'atrion', 'atrion.wasm'))
  cpSync(join(ROOT, 'dist', 'web', 'stream.mjs'), join(OUT, 'atrion', 'web', 'stream.mjs'))
}

/** Serves docs/demo/ on this machine only; resolves to the server once it listens. */
export const serveDemo = (port = 0) => {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const file = join(OUT, normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname))
    if (!file.startsWith(OUT) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildDemo()
  if (process.argv.includes('--build')) {
    console.log('The demo is in docs/demo/.')
  } else {
    const server = await serveDemo(Number(process.env.PORT ?? 8080))
    console.log(`The demo is at http://127.0.0.1:${server.address().port}/ until you press Ctrl+C.`)
  }
}
