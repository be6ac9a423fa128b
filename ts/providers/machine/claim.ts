/**
 * A socket takes the hub's place in two steps. It first takes a second name, the claim, which is the same for all and only one socket can have; that name
 * is then renamed to the place. Of processes that find the hub ended one takes its place, and none takes it from that one.
 */

import { builtin } from '../../base/builtin.js'

/** Name of a socket that has not taken its place. */
export const temporaryOf = (path: string): string => `${path}.${Math.random().toString(36).slice(2, 14)}`
/** The most by which a name exceeds the place's, bytes. */
export const NAME_BYTES = 13
/** A claim takes a moment. One that is there for longer is of a process that stands still, ms. */
const LONGEST_CLAIM_MS = 2000

/** The number of a file; undefined: there is none. */
export type Inode = bigint | undefined

/** A hub's own number stays its own as long as it listens. */
export async function inodeOf(path: string): Promise<Inode> {
  try {
    return (await builtin('node:fs/promises').lstat(path, { bigint: true })).ino
  } catch {
    return undefined
  }
}

/** Resolves to whether nothing listens there any more: a socket is listened on before it has the name. */
const hasEnded = (claim: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = builtin('node:net').connect(claim, () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })

/** Removes a claim that its process will not use: that has ended, or stands still. It sees that when it goes on. */
async function clear(claim: string, temporary: string): Promise<void> {
  const { lstat, unlink } = builtin('node:fs/promises')
  // Both times are the file system's: a process may have any other.
  const [{ ctimeMs, ino }, now] = await Promise.all([lstat(claim), lstat(temporary)])
  const isOver = now.ctimeMs - ctimeMs > LONGEST_CLAIM_MS || (await hasEnded(claim))
  if (isOver && (await lstat(claim)).ino === ino) await unlink(claim)
}

/**
 * Makes a socket that is listened on the hub's, unless another one is faster: its number in the place tells. May reject then, too.
 *
 * @param temporary its name until then
 * @param known the socket that was found in the place and is not a hub's
 */
export async function take(temporary: string, path: string, known: Inode): Promise<void> {
  const { link, rename, unlink } = builtin('node:fs/promises')
  const claim = `${path}.next`
  const failed: unknown = await link(temporary, claim).catch(({ code }) => code)
  // The next attempt may find the way free.
  if (failed === 'EEXIST') return clear(claim, temporary)
  // A file system may be without links: two that see the same at the same moment both take the place, and the first one sees that soon.
  const last = failed === undefined ? claim : temporary
  if (last === claim) await unlink(temporary)
  await ((await inodeOf(path)) === known ? rename(last, path) : unlink(last))
}
