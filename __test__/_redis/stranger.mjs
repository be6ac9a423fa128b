// A server of a test's own, and a client of another make on it: it publishes, stores and listens as it likes.
import { createClient } from 'redis'
import { PATIENCE_MS } from '../_patience.mjs'
import { single } from './servers.mjs'

/** A server that is stopped when the test ends. */
export const server = async (t, options) => {
  const started = await single(options)
  t.teardown(() => started.stop())
  return started
}

/** A client that is connected to a port of this machine. */
export const connectStranger = async (port) => {
  const client = createClient({ socket: { host: '127.0.0.1', port, connectTimeout: PATIENCE_MS } })
  await client.connect()
  return client
}

/** One that is destroyed when the test ends. */
export const stranger = async (t, { port }) => {
  const client = await connectStranger(port)
  t.teardown(() => client.destroy())
  return client
}
