// A private PostgreSQL server: the files of a cluster in a folder, and the command that serves them. The server refuses to run as root.
import { spawnSync } from 'node:child_process'
import { chownSync } from 'node:fs'
import { join } from 'node:path'
import { providePostgres } from './packages.mjs'

/** Installing the server makes this user. */
const USER = 'postgres'

/** User and group to run a server as, where we are root. */
export function unprivileged() {
  if (process.getuid() !== 0) return {}
  const id = (flag) => Number(spawnSync('id', [flag, USER], { encoding: 'utf8' }).stdout)
  return { uid: id('-u'), gid: id('-g') }
}

/**
 * Makes a cluster in `folder`, which there is, with the superuser 'lab' and without passwords.
 * @returns {Promise<{ command: string, args: string[], as: object }>} the command that serves it on a socket in the folder, and as whom
 * @throws Error that says how to get PostgreSQL, where there is none
 */
export async function makeCluster(folder, settings = []) {
  const bin = await providePostgres()
  const as = unprivileged()
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  const options = ['--auth=trust', '--no-sync', '--username=lab', '--encoding=UTF8', '--locale=C']
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, ...options], { ...as, cwd: folder, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr ?? made.error}`)
  const all = ['fsync=off', 'max_connections=40', `unix_socket_directories=${folder}`, ...settings]
  return { bin, command: join(bin, 'postgres'), args: ['-D', data, ...all.flatMap((setting) => ['-c', setting])], as }
}
