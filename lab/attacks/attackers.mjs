/** Clients that take as much of a server as they can for as little as they can, over raw sockets. Each returns what ends it. */
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'

const HOST = '127.0.0.1'

/** A connection on which `bytes` were sent, and that is not read unless `reads`. */
const dial = async (server, bytes, { reads = true } = {}) => {
  const socket = net.connect(server.address().port, HOST)
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (reads) socket.resume()
  else socket.pause()
  socket.write(bytes)
  return socket
}

/** So many connections; `end()` closes them all. */
const crowd = async (count, connect) => {
  const sockets = await Promise.all(Array.from({ length: count }, (_, i) => connect(i)))
  return {
    sockets,
    end: () => Promise.all(sockets.map((socket) => socket.destroyed || once(socket.destroy(), 'close'))),
  }
}

/** Uploads that send their head and a byte, and no more. */
export const slowUploads = (server, count, { path = '/a' } = {}) => {
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`
  return crowd(count, () => dial(server, head))
}

/** Readers that ask for what is large and take nothing of it. */
export const slowReaders = (server, count, { path = '/b' } = {}) =>
  crowd(count, () => dial(server, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, { reads: false }))

/** Clients that ask, hang up before the answer, and ask again, each so many ms later. */
export const hangUps = async (server, count, { path = '/a', afterMs = 3, pauseMs = 300 } = {}) => {
  let isOver = false
  const begun = []
  const client = async (i) => {
    while (!isOver) {
      const socket = await dial(server, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      socket.destroy()
      begun[i]?.()
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const firsts = Array.from({ length: count }, (_, i) => new Promise((resolve) => (begun[i] = resolve)))
  const clients = Array.from({ length: count }, (_, i) => client(i).catch(() => {}))
  await Promise.all(firsts)
  return {
    end: () => {
      isOver = true
      return Promise.all(clients)
    },
  }
}

/** Rapid reset: sessions of HTTP/2 that open ten streams every so many ms, and cancel them in the same turn. */
export const rapidReset = async (server, count, { path = '/a', pauseMs = 150 } = {}) => {
  const client = async () => {
    const session = http2.connect(`http://${HOST}:${server.address().port}`).on('error', () => {})
    await once(session, 'connect')
    const timer = setInterval(() => {
      for (let i = 0; i < 10 && !session.destroyed; i++) {
        const stream = session.request({ ':path': path }).on('error', () => {})
        stream.close(http2.constants.NGHTTP2_CANCEL)
      }
    }, pauseMs)
    return () => {
      clearInterval(timer)
      session.destroy()
    }
  }
  const ends = await Promise.all(Array.from({ length: count }, client))
  return {
    end: () => {
      for (const end of ends) end()
    },
  }
}

/** Slowloris: heads that never end. */
export const slowloris = (server, count, { path = '/a' } = {}) =>
  crowd(count, (i) => dial(server, `${i % 2 ? 'POST' : 'GET'} ${path} HTTP/1.1\r\nHost: x\r\nX-Slow: `))

/** Sockets that ask for an upgrade. */
export const upgrades = (server, count, { path = '/a' } = {}) => {
  const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  return crowd(count, () => dial(server, head))
}

const FRAME = { DATA: 0, HEADERS: 1, SETTINGS: 4 }
const END_STREAM = 1
const END_HEADERS = 4
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** A frame of HTTP/2 (RFC 9113, section 4.1). */
const frame = (type, flags, stream, payload = Buffer.alloc(0)) => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header that is not indexed, its name and value as they are (RFC 7541, section 6.2.2). */
const literal = (name, value) =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])

const headersOf = (method, path) =>
  Buffer.concat([
    ...[literal(':method', method), literal(':scheme', 'http'), literal(':path', path), literal(':authority', 'x')],
    ...(method === 'POST' ? [literal('content-type', 'application/json'), literal('content-length', '1000')] : []),
  ])

/** The ways in which a client of HTTP/2 holds streams open. */
const HOLDING = {
  /** Heads that never end: CONTINUATION frames are promised and do not come. One a connection, as the protocol has it. */
  heads: (path) => [frame(FRAME.HEADERS, 0, 1, headersOf('GET', path))],
  /** Bodies that never end. */
  bodies: (path, streams) =>
    Array.from({ length: streams }, (_, i) => [
      frame(FRAME.HEADERS, END_HEADERS, 1 + 2 * i, headersOf('POST', path)),
      frame(FRAME.DATA, 0, 1 + 2 * i, Buffer.from('{')),
    ]).flat(),
  /** Answers for which there is no window. */
  windows: (path, streams) =>
    Array.from({ length: streams }, (_, i) =>
      frame(FRAME.HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, headersOf('GET', path)),
    ),
}

/** SETTINGS_INITIAL_WINDOW_SIZE = 0: what is answered stays with the server. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])

/** Slowloris on HTTP/2: `how` is one of heads, bodies, windows. */
export const slowStreams = (server, count, how, { path = '/a', streams = 10 } = {}) => {
  const settings = frame(FRAME.SETTINGS, 0, 0, how === 'windows' ? NO_WINDOW : undefined)
  const bytes = Buffer.concat([PREFACE, settings, ...HOLDING[how](path, streams)])
  return crowd(count, () => dial(server, bytes))
}
