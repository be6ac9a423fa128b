// A PostgreSQL server of a test's own, on a free loopback port and a socket, with its files in a folder that goes with it; and a PgBouncer before it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { makeCluster, unprivileged } from '../../scripts/lib/postgres-cluster.mjs'
import { until } from '../_patience.mjs'
import { guard, release, reserve } from '../_redis/guard.mjs'

const HOST = '127.0.0.1'

export { until }

const isGone = ({ exitCode, signalCode }) => exitCode !== null || signalCode !== null

/** A process that serves, and the folder and port that it has. */
class Served {
  #place
  #child

  constructor(place) {
    this.#place = place
  }

  get port() {
    return this.#place.port
  }

  get folder() {
    return this.#place.data
  }

  get pid() {
    return this.#child?.pid
  }

  run(command, args, as) {
    const child = spawn(command, args, { ...as, cwd: this.folder, stdio: 'ignore' })
    child.unref()
    this.#child = child
    guard(this.#place, child.pid)
    return child
  }

  /** Ends the process by a signal. */
  async end(signal) {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined && !isGone(child)) {
      child.ref()
      const ended = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill(signal)
      await ended
    }
    guard(this.#place)
  }

  release() {
    release(this.#place)
  }
}

/** The processes that a process has started. */
const childrenOf = (pid) =>
  readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]) === pid
      )
    } catch {
      return false
    }
  })

export class PostgresServer {
  #served
  #cluster

  /** Starts a server and waits until it answers. */
  static async start(settings = []) {
    const server = new PostgresServer()
    server.#served = new Served(reserve())
    const { port, folder } = server.#served
    server.#cluster = await makeCluster(folder, [`port=${port}`, `listen_addresses=${HOST}`, ...settings])
    await server.run()
    return server
  }

  get connection() {
    return { host: HOST, port: this.#served.port, user: 'lab', database: 'postgres' }
  }

  get url() {
    return `postgres://lab@${HOST}:${this.#served.port}/postgres`
  }

  get folder() {
    return this.#served.folder
  }

  get bin() {
    return this.#cluster.bin
  }

  async run() {
    const { command, args, as } = this.#cluster
    const child = this.#served.run(command, args, as)
    await until(async () => {
      if (isGone(child)) throw new Error('PostgreSQL did not start')
      const client = new pg.Client(this.connection)
      try {
        await client.connect()
        return true
      } catch {
        return false
      } finally {
        await client.end().catch(() => {})
      }
    }, 'a PostgreSQL that answers')
  }

  /** Stops all its processes where they are: connections stay open, nothing answers. */
  pause() {
    this.#signal('SIGSTOP')
  }

  resume() {
    this.#signal('SIGCONT')
  }

  #signal(name) {
    const { pid } = this.#served
    process.kill(pid, name)
    for (const child of childrenOf(pid)) {
      try {
        process.kill(Number(child), name)
      } catch {}
    }
  }

  /** Ends it as a crash of the machine would: what is unlogged is lost. */
  async kill() {
    // The immediate shutdown: no checkpoint, and no process of it is left.
    await this.#served.end('SIGQUIT')
  }

  async stop() {
    await this.#served.end('SIGQUIT')
    this.#served.release()
  }
}

/** Starts a PgBouncer in transaction mode, with two connections, before a server. */
export async function startBouncer(server) {
  const served = new Served(reserve())
  const { port, folder } = served
  const as = unprivileged()
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid)
  const { host, port: to, user, database } = server.connection
  const file = join(folder, 'pgbouncer.ini')
  const settings = {
    listen_addr: HOST,
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: 2,
    max_client_conn: 100,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  writeFileSync(
    file,
    `[databases]\n${database} = host=${host} port=${to} user=${user} dbname=${database}\n[pgbouncer]\n${lines.join('\n')}\n`,
  )
  const child = served.run('pgbouncer', [file], as)
  await until(async () => {
    if (isGone(child)) throw new Error('PgBouncer did not start')
    const socket = connect(port, HOST)
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  }, 'a PgBouncer that answers')
  return {
    connection: { ...server.connection, port },
    stop: async () => {
      await served.end('SIGKILL')
      served.release()
    },
  }
}
