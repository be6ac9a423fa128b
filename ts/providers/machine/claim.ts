/**
 * How a socket takes the hub's place. It first takes a second name, the claim, which is the same for all and only one socket can have; that name is then
 * renamed to the place. Of processes that find the hub ended one takes its place, and none takes it from that one.
 */

import { builtin } from '../../base/builtin.js'
import { monotonic } from '../../base/monotonic.js'

/** Name of a socket that has not taken its place. */
export const temporaryOf = (path: string): string =>
  `${path}.${Math.floor(Math.random() * 36 ** 12)
    .toString(36)
    .padStart(12, '0')}`
/** The most by which a name exceeds the place's, bytes. */
export const NAME_BYTES = 14
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
    const socket = builtin('node:net').connect(claim)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })

export class Claims {
  /** The claim of another process that was met last, and since when it is known. */
  #inode: Inode
  #sinceMs = 0

  /**
   * Makes a socket that is listened on the hub's. Rejects, mostly, when another process is faster; whether it has the place its inode there tells.
   *
   * @param temporary its name until then, which it loses
   * @param known the socket that was found in the place and is not a hub's
   */
  async take(temporary: string, path: string, known: Inode): Promise<void> {
    const { link, rename, unlink } = builtin('node:fs/promises')
    const claim = `${path}.next`
    try {
      await link(temporary, claim)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        // The next attempt may find the way free.
        await this.#clear(claim)
        throw error
      }
      // A file system without links: two that see the same at the same moment both take the place, and the first one sees that soon.
      if ((await inodeOf(path)) === known) await rename(temporary, path)
      return
    }
    await unlink(temporary)
    await ((await inodeOf(path)) === known ? rename(claim, path) : unlink(claim))
  }

  /** Removes a claim that its process will not use: that has ended, or stands still. It sees that when it goes on. */
  async #clear(claim: string): Promise<void> {
    const found = await inodeOf(claim)
    if (found !== this.#inode) {
      this.#inode = found
      this.#sinceMs = monotonic()
    }
    if (found === undefined) return
    const isOver = monotonic() - this.#sinceMs > LONGEST_CLAIM_MS || (await hasEnded(claim))
    if (!isOver || (await inodeOf(claim)) !== found) return
    await builtin('node:fs/promises')
      .unlink(claim)
      .catch(() => {})
  }
}
