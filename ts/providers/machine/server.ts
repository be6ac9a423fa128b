/** The hub's socket: it listens under a temporary name before it takes its place, so that no process ever removes another's socket. */

import type { Server, Socket } from 'node:net'
import { builtin } from '../../base/builtin.js'
import { type Inode, inodeOf, take, temporaryOf } from './claim.js'
import { FrameReader, frameOf, type Message } from './frames.js'
import type { Hub, Peer } from './hub.js'
import type { Place } from './place.js'

/** A process that does not read so many bytes is cut off, and joins anew. */
const MAX_UNREAD_BYTES = 1 << 25
/** The hub's place is looked at so often: another process may have taken it, ms. */
const LOOK_MS = 200

export class HubServer {
  readonly #hub: Hub
  readonly #place: Place
  readonly #lost: () => void
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #inode: Inode
  #timer: ReturnType<typeof setInterval> | undefined

  /** @param lost is called when another process has taken the place, and calls {@link HubServer.leave}; once */
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
    this.#inode = await inodeOf(first)
    await take(first, path, known)
    if (!(await this.holds())) throw new Error('another process is the hub')
    this.#timer = setInterval(() => void this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Leaves the place, to be called before {@link HubServer.stop}: while a hub still answers, no other takes its place, whose socket would be removed. */
  async leave(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#inode !== undefined && (await this.holds())) {
      await builtin('node:fs/promises')
        .unlink(this.#place.path)
        .catch(() => {})
    }
  }

  /** Parts with all. */
  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server?.close()
    this.#server = undefined
  }

  /** Resolves to whether the place is still this hub's. */
  async holds(): Promise<boolean> {
    if (this.#inode === undefined) return this.#server !== undefined
    return (await inodeOf(this.#place.path)) === this.#inode
  }

  async #look(): Promise<void> {
    if ((await this.holds()) || this.#timer === undefined) return
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
