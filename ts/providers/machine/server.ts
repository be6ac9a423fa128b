/** The hub's socket: it listens under a temporary name, which then replaces the public one, so that no process ever removes another's socket. */

import type { Server, Socket } from 'node:net'
import { builtin } from '../../base/builtin.js'
import { FrameReader, frameOf, type Message } from './frames.js'
import type { Hub, Peer } from './hub.js'
import { type Place, temporaryOf } from './place.js'

/** A process that does not read so many bytes is cut off, and joins anew. */
const MAX_UNREAD_BYTES = 1 << 25
/** The hub's place is looked at so often: another process may have taken it, ms. */
const LOOK_MS = 200

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

export class HubServer {
  readonly #hub: Hub
  readonly #place: Place
  readonly #lost: () => void
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #inode: Inode
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param lost is called, once, when another process has taken the place */
  constructor(hub: Hub, place: Place, lost: () => void) {
    this.#hub = hub
    this.#place = place
    this.#lost = lost
  }

  /**
   * Takes the place. Rejects when it cannot.
   *
   * @param known the socket that was found there and is not a hub's, see {@link inodeOf}
   */
  async start(known: Inode): Promise<void> {
    const { createServer } = builtin('node:net')
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    const { path, folder } = this.#place
    const first = folder === undefined ? path : temporaryOf(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Exclusive: a worker of node:cluster would hand it to its primary.
      server.listen({ path: first, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    server.on('error', () => {})
    server.unref()
    if (folder === undefined) return
    const { rename, unlink } = builtin('node:fs/promises')
    this.#inode = await inodeOf(first)
    // Another process may have been faster.
    if ((await inodeOf(path)) !== known) {
      await unlink(first).catch(() => {})
      throw new Error('another process has taken the place of the hub')
    }
    await rename(first, path)
    this.#timer = setInterval(() => void this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.destroy()
    server?.close()
    if (server === undefined || this.#inode === undefined) return
    const { unlink } = builtin('node:fs/promises')
    if ((await inodeOf(this.#place.path)) === this.#inode) await unlink(this.#place.path).catch(() => {})
  }

  /** Resolves to whether the place is still this hub's. */
  async holds(): Promise<boolean> {
    if (this.#inode === undefined) return this.#server !== undefined
    return (await inodeOf(this.#place.path)) === this.#inode
  }

  async #look(): Promise<void> {
    if ((await this.holds()) || this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#inode = undefined
    this.#lost()
  }

  #accept(socket: Socket): void {
    const reader = new FrameReader()
    const peer: Peer = {
      node: '',
      send: (message: Message) => {
        if (socket.destroyed) return
        if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy()
        else socket.write(frameOf(message))
      },
    }
    if (!this.#hub.add(peer)) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.unref()
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#hub.remove(peer)
    })
    socket.on('data', (piece) => {
      try {
        for (const message of reader.read(piece)) this.#hub.receive(peer, message)
      } catch {
        socket.destroy()
      }
    })
  }
}
