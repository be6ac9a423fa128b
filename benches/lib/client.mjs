/** A client in a process of its own: given a port and a count, it sends so many requests, and reports when all were answered. */
import { connect } from 'node:net'
import { serve } from '../../scripts/lib/duties.mjs'

const CONNECTIONS = 8
const REQUEST = 'GET /checkout HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** Sends `count` requests over keep-alive connections, each after the answer to the last; rejects for one that is no 503. */
const ask = (port, count) =>
  new Promise((resolve, reject) => {
    let left = count
    let open = CONNECTIONS
    for (let i = 0; i < CONNECTIONS; i++) {
      const socket = connect(port, '127.0.0.1')
      const next = () => {
        if (left-- > 0) socket.write(REQUEST)
        else socket.end()
      }
      socket.setNoDelay(true)
      socket.once('connect', next)
      socket.on('data', (bytes) => {
        if (bytes.latin1Slice(9, 12) === '503') next()
        else reject(new Error(`expected a 503, got ${bytes.latin1Slice(0, 40)}`))
      })
      socket.once('error', reject)
      socket.once('close', () => {
        open -= 1
        if (open === 0) resolve()
      })
    }
  })

serve({ send: ({ port, count }) => ask(port, count) })
