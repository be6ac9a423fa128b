// A PostgreSQL of one's own: a cluster in a temporary folder, on a socket in it and on no port.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { providePostgres } from '../../scripts/lib/packages.mjs'

const require = createRequire(import.meta.url)

/** The server refuses to run as root. Installing it makes this user. */
const USER = 'postgres'

/** User and group to run as, where we are root. */
function unprivileged() {
  if (process.getuid() !== 0) return {}
  const id = (flag) => Number(spawnSync('id', [flag, USER], { encoding: 'utf8' }).stdout)
  return { uid: id('-u'), gid: id('-g') }
}

async function connects(connection) {
  const { Client } = require('pg')
  const client = new Client(connection)
  try {
    await client.connect()
    await client.query("create table item (id int primary key, name text); insert into item values (1, 'one')")
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

/**
 * Starts a server, and makes its one table.
 * @returns {Promise<{ connection: object, end: () => Promise<void> }>} `connection`: for `pg`
 * @throws Error that says how to get one, where there is none
 */
export async function startPostgres() {
  const bin = await providePostgres()
  const folder = mkdtempSync(join(tmpdir(), 'atrion-postgres-'))
  const as = unprivileged()
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  const options = ['--auth=trust', '--no-sync', '--username=lab', '--encoding=UTF8', '--locale=C']
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, ...options], { ...as, cwd: folder, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr ?? made.error}`)
  const settings = ['fsync=off', 'max_connections=40', 'listen_addresses=', `unix_socket_directories=${folder}`]
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...as,
    cwd: folder,
    stdio: 'ignore',
  })
  const gone = once(server, 'exit')
  const end = async () => {
    server.kill('SIGINT')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  const connection = { host: folder, user: 'lab', database: 'postgres' }
  for (let tries = 0; !(await connects(connection)); tries += 1) {
    if (tries === 200 || server.exitCode !== null) {
      if (server.exitCode === null) await end()
      throw new Error('PostgreSQL did not start')
    }
    await new Promise((turn) => setTimeout(turn, 50))
  }
  return { connection, end }
}
