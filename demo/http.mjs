// The protocol between the processes: JSON over node:http, on the loopback interface only.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:http'

const MAX_BODY_BYTES = 1 << 20

/** @throws SyntaxError for a body that is no JSON, RangeError for one above 1 MiB */
export async function readJson(stream) {
  const chunks = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new RangeError('the body is larger than 1 MiB')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

/** Proof that an answer was computed from this content. */
export const sealOf = (content) => createHash('sha256').update(JSON.stringify(content)).digest('hex')

/** A client of one port of this machine, with kept-alive connections. */
export function createClient(port, maxSockets) {
  const agent = new Agent({ keepAlive: true, maxSockets })
  return {
    /** Resolves to status and body; rejects when it takes longer than `timeoutMs`. */
    call(path, body, timeoutMs) {
      const { promise, resolve, reject } = deferred()
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const outgoing = request(
        {
          agent,
          host: '127.0.0.1',
          port,
          path,
          method: payload === undefined ? 'GET' : 'POST',
          headers: payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) },
        },
        (response) => readJson(response).then((json) => resolve({ status: response.statusCode, json }), reject),
      )
      // The error of a connection that was cut off varies: the cause is the timeout.
      const timer = setTimeout(() => {
        reject(timeoutError(timeoutMs))
        outgoing.destroy()
      }, timeoutMs)
      const clear = () => clearTimeout(timer)
      promise.then(clear, clear)
      outgoing.on('error', reject)
      outgoing.end(payload)
      return promise
    },
    close: () => agent.destroy(),
  }
}

const timeoutError = (timeoutMs) => Object.assign(new Error(`no answer in ${timeoutMs} ms`), { code: 'ETIMEDOUT' })

function deferred() {
  let resolve
  let reject
  const promise = new Promise((fulfil, refuse) => {
    resolve = fulfil
    reject = refuse
  })
  return { promise, resolve, reject }
}

/** Now, ms since the epoch, with fractions: comparable between processes of one machine. */
export const nowMs = () => performance.timeOrigin + performance.now()

/** Longer than a run: a connection that the server closes while the client reuses it would look like a fault. */
const KEEP_ALIVE_MS = 600_000

/** Lets a server listen on the loopback interface; resolves to its port. @param {object} [options] of `server.listen` */
export async function listen(server, options) {
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.listen({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  return server.address().port
}
