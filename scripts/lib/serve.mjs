/** A static server for what the scripts build: this machine only, and a free port where the requested one is taken. */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, sep } from 'node:path'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** The file that a request is for, or undefined; never one outside of the folder. */
const fileOf = (folder, url) => {
  let path
  try {
    path = join(folder, decodeURIComponent(new URL(url, 'http://localhost').pathname))
  } catch {
    return undefined
  }
  const isFile = (name) => existsSync(name) && statSync(name).isFile()
  const file = [path, `${path}.html`, join(path, 'index.html')].find(isFile)
  return file?.startsWith(folder + sep) ? file : undefined
}

const listen = (server, port) =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server.off('error', reject)))
  })

/**
 * Serves a folder; resolves to the server once it listens, on another port where `port` is taken or reserved.
 *
 * @param {string} folder
 * @param {number} [port] 0, the default: any that is free
 */
export const serve = async (folder, port = 0) => {
  const server = createServer((request, response) => {
    const file = fileOf(folder, request.url)
    if (file === undefined) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' })
    createReadStream(file).pipe(response)
  })
  try {
    return await listen(server, port)
  } catch (error) {
    if (port === 0 || !['EADDRINUSE', 'EACCES'].includes(error.code)) throw error
    console.log(`Port ${port} is taken: another one is used.`)
    return listen(server, 0)
  }
}
