/**
 * A file that is replaced whole: whenever the process dies, what is there is the old content or the new.
 *
 * The new content goes to a file beside it, which is synced to the disk before it takes the name, and then so is the
 * folder. Writing in place, or renaming without a sync, can leave a file that is cut short or empty.
 */

import { builtin } from '../base/builtin.js'

/** Loaded by the first file: most processes have none. */
const files = (): ReturnType<typeof builtin<'node:fs/promises'>> => builtin('node:fs/promises')
const { basename, dirname, join } = builtin('node:path')

/** A file beside it that is older was abandoned, ms. */
const ABANDONED_MS = 60_000

/** Replaces the content of a file. */
export async function replaceFile(path: string, content: Iterable<string>): Promise<void> {
  const beside = `${prefixOf(path)}${process.pid}.${crypto.randomUUID()}.tmp`
  try {
    const file = await files().open(beside, 'wx')
    try {
      for (const piece of content) await file.writeFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
    await files().rename(beside, path)
  } catch (error) {
    await files()
      .rm(beside, { force: true })
      .catch(() => {})
    throw error
  }
  await syncFolder(dirname(path))
}

/** Removes the files that processes left beside it when they died. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path)
  const prefix = basename(prefixOf(path))
  for (const name of await files().readdir(folder)) {
    const pid = name.startsWith(prefix) && name.endsWith('.tmp') ? Number.parseInt(name.slice(prefix.length), 10) : 0
    if (!(pid > 0)) continue
    const beside = join(folder, name)
    const { mtimeMs } = await files()
      .stat(beside)
      .catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    // In a container every process may have the same id: what was there before this one started is another's.
    const bornMs = Date.now() - 1000 * process.uptime()
    const inUse = pid === process.pid ? mtimeMs >= bornMs : isAlive(pid)
    if (!inUse || mtimeMs < Date.now() - ABANDONED_MS) await files().rm(beside, { force: true })
  }
}

const prefixOf = (path: string): string => join(dirname(path), `.${basename(path)}.`)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and needs no such sync.
  if (process.platform === 'win32') return
  const handle = await files().open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
