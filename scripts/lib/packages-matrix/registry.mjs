/** A registry of npm packages on the loopback interface: it serves what was packed here, and knows nothing else. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'

const hashOf = (algorithm, content, encoding) => createHash(algorithm).update(content).digest(encoding)

/** The document that npm's clients request by a package's name. */
const packument = ({ folder, file }, url) => {
  const content = readFileSync(file)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { name, version } = manifest
  const dist = {
    tarball: `${url}/-/${basename(file)}`,
    shasum: hashOf('sha1', content, 'hex'),
    integrity: `sha512-${hashOf('sha512', content, 'base64')}`,
  }
  const time = '2026-01-01T00:00:00.000Z'
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist } },
    time: { created: time, modified: time, [version]: time },
  }
}

/**
 * Serves packages until it is closed.
 *
 * @param packed `{ name, folder, file }` of each
 * @returns its address and what closes it
 */
export const serveRegistry = async (packed) => {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://registry.test').pathname).slice(1)
    const answer = (status, type, body) => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    const tarball = packed.find(({ file }) => path === `-/${basename(file)}`)
    if (tarball) return answer(200, 'application/octet-stream', readFileSync(tarball.file))
    const found = packed.find(({ name }) => path === name)
    if (found) return answer(200, 'application/json', JSON.stringify(packument(found, url)))
    answer(404, 'application/json', '{"error":"not found"}')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  return { url, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) }
}
