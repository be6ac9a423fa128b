// A memcached of a test's own, on a free loopback port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PATIENCE_MS } from './_patience.mjs'
import { guard, release, reserve } from './_redis/guard.mjs'

const HOST = '127.0.0.1'

const answers = async (port) => {
  const socket = connect(port, HOST)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

export async function startMemcached() {
  const place = reserve()
  // It refuses to run as root: the user without any rights runs it.
  const as = process.getuid() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const child = spawn('memcached', ['-l', HOST, '-p', String(place.port), '-U', '0'], { ...as, stdio: 'ignore' })
  child.unref()
  guard(place, child.pid)
  for (const startedAt = performance.now(); !(await answers(place.port)); ) {
    if (child.exitCode !== null || performance.now() - startedAt > PATIENCE_MS)
      throw new Error('memcached did not start')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    host: HOST,
    port: place.port,
    stop: async () => {
      child.ref()
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      release(place)
    },
  }
}
