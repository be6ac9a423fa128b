/**
 * A proxy to Studio of a service, for the browser of this machine alone: on loopback, under a path that cannot be guessed, for a Host of this
 * machine. It passes on Studio's own paths and nothing else, with headers that the browser does not see.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { builtin } from '../base/builtin.js'

const { createServer } = builtin('node:http')

/** The service does not answer as Studio does. */
export class StudioError extends Error {}

export interface Served {
  readonly address: string
  close(): Promise<void>
}

const PATHS = ['', '/', '/events', '/history', '/act', '/preview']
const CHECK_MS = 10_000
const MOST_BYTES = 16_384
/** Headers of the browser that are passed on, and headers of the service's. */
const UP = ['accept', 'content-type', 'last-event-id', 'x-atrion-token']
const DOWN = [
  'content-type',
  'content-security-policy',
  'cache-control',
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-resource-policy',
  'cross-origin-opener-policy',
  'x-frame-options',
  'retry-after',
  'allow',
]
const BASE = /(<body[^>]* data-base=")[^"]*"/

/** The address of Studio; undefined for what is none. */
export function targetOf(text: string): URL | undefined {
  try {
    const url = new URL(text)
    if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined
    url.pathname = url.pathname.replace(/\/+$/, '')
    url.search = ''
    url.hash = ''
    return url
  } catch {
    return undefined
  }
}

const baseOf = ({ origin, pathname }: URL): string => origin + (pathname === '/' ? '' : pathname)

/** @throws StudioError where Studio is not there */
async function check(target: URL, headers: Readonly<Record<string, string>>): Promise<void> {
  const address = baseOf(target)
  let answer: Response
  try {
    answer = await fetch(address, { headers, redirect: 'manual', signal: AbortSignal.timeout(CHECK_MS) })
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } }
    throw new StudioError(`${address} cannot be reached: ${cause?.code ?? cause?.message ?? message}`)
  }
  const text = await answer.text().catch(() => '')
  if (answer.status >= 300 && answer.status < 400) {
    throw new StudioError(`${address} sends elsewhere (${answer.status}): name the address that it leads to`)
  }
  if (answer.status === 401 || answer.status === 403) {
    const hint = headers.authorization === undefined ? ' Give --token or --header.' : ''
    throw new StudioError(`${address} refuses (${answer.status}): ${text.trim().slice(0, 200)}${hint}`)
  }
  if (answer.status !== 200) throw new StudioError(`${address} answers with ${answer.status}`)
  if (!BASE.test(text) || !text.includes('<title>Atrion Studio</title>')) {
    throw new StudioError(`${address} answers, but not as Atrion Studio: name its path, too`)
  }
}

const isLoopback = (host: string | undefined, port: number): boolean =>
  host === `127.0.0.1:${port}` || host === `localhost:${port}`

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string
    if (text.length > MOST_BYTES) return undefined
  }
  return text
}

/**
 * Checks that Studio is there, and serves it on a port of this machine.
 *
 * @param headers sent with every request
 * @param port 0: any that is free; undefined: only check
 * @throws StudioError where Studio is not there, or the port is taken
 */
export async function serveStudio(
  target: URL,
  headers: Readonly<Record<string, string>>,
  port: number | undefined,
): Promise<Served | undefined> {
  await check(target, headers)
  if (port === undefined) return undefined
  const secret = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  const base = `/${secret}`
  const end = new AbortController()

  const pass = async (request: IncomingMessage, response: ServerResponse, ownPort: number): Promise<void> => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
    const site = request.headers['sec-fetch-site']
    const path = pathname.slice(base.length)
    if (!pathname.startsWith(base) || !PATHS.includes(path)) return void response.writeHead(404).end()
    if (
      !isLoopback(request.headers.host, ownPort) ||
      (site !== undefined && site !== 'same-origin' && site !== 'none')
    ) {
      return void response.writeHead(403).end()
    }
    const sent: Record<string, string> = { ...headers }
    for (const name of UP) {
      const value = request.headers[name]
      if (typeof value === 'string') sent[name] = value
    }
    let body: string | undefined
    if (request.method === 'POST') {
      const { origin } = request.headers
      if (origin === undefined || !isLoopback(origin.replace('http://', ''), ownPort))
        return void response.writeHead(403).end()
      body = await bodyOf(request)
      if (body === undefined) return void response.writeHead(413).end()
      sent.origin = target.origin
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const answer = await fetch(`${baseOf(target)}${path}${search}`, {
      method: request.method ?? 'GET',
      headers: sent,
      redirect: 'manual',
      signal: AbortSignal.any([gone.signal, end.signal]),
      ...(body !== undefined && { body }),
    })
    const given: Record<string, string> = {}
    for (const name of DOWN) {
      const value = answer.headers.get(name)
      if (value !== null) given[name] = value
    }
    response.writeHead(answer.status, given)
    if (path === '' || path === '/') {
      response.end((await answer.text()).replace(BASE, `$1${base}"`))
      return
    }
    if (answer.body === null) return void response.end()
    response.flushHeaders()
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      // A page that does not read holds up the service's stream, which drops it in time.
      if (!response.write(chunk))
        await new Promise<void>((resolve) => response.once('drain', resolve).once('close', resolve))
      if (response.destroyed) return
    }
    response.end()
  }

  const server = createServer((request, response) => {
    const { port: ownPort } = server.address() as { port: number }
    pass(request, response, ownPort).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502, { 'content-type': 'text/plain' }).end('The service does not answer.\n')
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      reject(new StudioError(`port ${port} cannot be used: ${code ?? message}`)),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    address: `http://127.0.0.1:${(server.address() as { port: number }).port}${base}/`,
    close: () => {
      end.abort()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
