// A private PostgreSQL server: a cluster in a temporary folder, on a socket in it and on no port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCluster } from '../../scripts/lib/postgres-cluster.mjs'

const require = createRequire(import.meta.url)

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
  const folder = mkdtempSync(join(tmpdir(), 'atrion-postgres-'))
  const { command, args, as } = await makeCluster(folder, ['listen_addresses='])
  const server = spawn(command, args, { ...as, cwd: folder, stdio: 'ignore' })
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
