/** The place where the processes of a machine meet: a socket in a folder that is the user's alone, or a named pipe. */

import { builtin } from '../../base/builtin.js'
import { ConfigError } from '../../base/errors.js'
import { NAME_BYTES } from './claim.js'

/** Longest path of a socket, bytes, with room for the end of a temporary name: macOS has 104. */
const MAX_PATH_BYTES = 103

export interface Place {
  readonly path: string
  /** The folder that has to be the user's own; undefined for a pipe. */
  readonly folder: string | undefined
}

/**
 * @param name processes of one name meet
 * @param folder undefined: the user's folder for such
 * @throws ConfigError when the path is too long for a socket
 */
export function placeOf(name: string, folder: string | undefined): Place {
  const { createHash } = builtin('node:crypto')
  const { tmpdir, userInfo } = builtin('node:os')
  const { join, resolve } = builtin('node:path')
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16)
  if (process.platform === 'win32') {
    const user = createHash('sha256').update(userInfo().username).digest('hex').slice(0, 16)
    return { path: `\\\\.\\pipe\\atrion-${user}-${digest}`, folder: undefined }
  }
  const own = `atrion-${process.getuid?.() ?? 'user'}`
  const base = process.env.XDG_RUNTIME_DIR
  const chosen = resolve(folder ?? (base ? join(base, 'atrion') : join(tmpdir(), own)))
  const path = join(chosen, `${digest}.sock`)
  const tooLong = Buffer.byteLength(path) > MAX_PATH_BYTES - NAME_BYTES
  if (!tooLong) return { path, folder: chosen }
  if (folder === undefined) return { path: join('/tmp', own, `${digest}.sock`), folder: join('/tmp', own) }
  throw new ConfigError('path', `a folder whose sockets have a path of at most ${MAX_PATH_BYTES} bytes`, folder)
}

/** Makes the folder, and rejects where it is not the user's own or others may enter it: they could take the hub's place. */
export async function ensureFolder({ folder }: Place): Promise<void> {
  if (folder === undefined) return
  const { mkdir, lstat } = builtin('node:fs/promises')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  const uid = process.getuid?.()
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`)
  if (uid !== undefined && found.uid !== uid) throw new Error(`${folder} belongs to another user`)
  if ((found.mode & 0o077) !== 0) throw new Error(`${folder} can be entered by other users: its mode must be 700`)
}
