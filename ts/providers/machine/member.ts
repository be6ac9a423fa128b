/**
 * A process's part in what the machine shares: joined to the hub of another process, or the hub itself. Where the hub ends, or is silent for too long, one of
 * those that are left takes its place, with all that it knows.
 */

import type { Socket } from 'node:net'
import { builtin } from '../../base/builtin.js'
import { errorOf } from '../../base/host-calls.js'
import { soon } from '../../base/soon.js'
import { type Inode, inodeOf } from './claim.js'
import { FrameReader, frameOf, type Message } from './frames.js'
import { Hub, type Peer } from './hub.js'
import { ensureFolder, type Place } from './place.js'
import type { Replica } from './replica.js'
import { HubServer } from './server.js'

/** A hub of which nothing comes within so many waits is no hub. Several, since a process that stands still itself has not waited. */
const WELCOME_WAITS = 20
const WAIT_MS = 75
/** A hub is asked for a sign of life so often, ms; one that has let so many questions pass is replaced. */
const ASK_MS = 500
const MOST_UNANSWERED = 5
/** Processes that lose a hub at the same moment do not all try to replace it at once: they wait up to so long, ms. */
const SPREAD_MS = 20
const LONGEST_PAUSE_MS = 1000

export interface MemberHost {
  readonly replica: Replica
  readonly node: string
  /** News, and answers to requests. */
  receive(message: Message): void
  /** Joined: requests may be sent. */
  joined(): void
  /** Not joined any more: requests that were not answered are lost. */
  parted(error: Error): void
}

export class Member {
  readonly #place: Place
  readonly #host: MemberHost
  #isOn = false
  #send: ((message: Message) => void) | undefined
  #leave: () => Promise<void> = async () => {}
  #hasHub = false
  #unanswered = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #life: ReturnType<typeof setInterval> | undefined
  #failures = 0
  #entering: Promise<void> = Promise.resolve()

  constructor(place: Place, host: MemberHost) {
    this.#place = place
    this.#host = host
  }

  get isHub(): boolean {
    return this.#hasHub
  }

  get isJoined(): boolean {
    return this.#send !== undefined
  }

  start(): void {
    this.#isOn = true
    this.#life = setInterval(() => this.#ask(), ASK_MS)
    this.#life.unref()
    this.#enter()
  }

  async stop(): Promise<void> {
    this.#isOn = false
    clearInterval(this.#life)
    clearTimeout(this.#timer)
    this.#send = undefined
    this.#hasHub = false
    await this.#entering
    await this.#leave()
  }

  /** Returns false where it is joined to none. */
  send(message: Message): boolean {
    if (this.#send === undefined) return false
    this.#send(message)
    return true
  }

  #enter(): void {
    this.#entering = this.#entering.then(() => this.#joinOrOwn())
  }

  async #joinOrOwn(): Promise<void> {
    if (!this.#isOn || this.#send !== undefined) return
    try {
      await ensureFolder(this.#place)
      const found = await inodeOf(this.#place.path)
      if (!(await this.#join())) await this.#own(found)
      this.#failures = 0
    } catch (error) {
      this.#failures += 1
      this.#host.parted(errorOf(error))
      this.#again(Math.min(SPREAD_MS * 2 ** Math.min(this.#failures, 10), LONGEST_PAUSE_MS))
      return
    }
    if (!this.#isOn) await this.#leave()
  }

  #again(pauseMs: number): void {
    if (!this.#isOn) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#enter(), pauseMs * Math.random())
    this.#timer.unref()
  }

  #lost(): void {
    if (this.#send === undefined) return
    this.#send = undefined
    this.#hasHub = false
    this.#host.parted(new Error('the hub of the machine was lost'))
    this.#again(SPREAD_MS)
  }

  /** Tries to join the hub that there is; resolves to whether there is one. */
  #join(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket: Socket = builtin('node:net').connect(this.#place.path)
      const reader = new FrameReader()
      let isWelcome = false
      // It keeps the process alive: a process that waits for it may have nothing else to do.
      let waits = 0
      const timer = setInterval(() => {
        if (++waits >= WELCOME_WAITS) socket.destroy()
      }, WAIT_MS)
      const send = (message: Message): void => void socket.write(frameOf(message))
      socket.on('error', () => {})
      socket.on('connect', () => {
        send({ kind: 'join', node: this.#host.node })
        for (const part of this.#host.replica.everything()) send(part)
      })
      socket.on('close', () => {
        clearInterval(timer)
        if (isWelcome && this.#send === send) this.#lost()
        else resolve(false)
      })
      socket.on('data', (piece) => {
        this.#unanswered = 0
        // The welcome is behind all that is shared, which may be much.
        waits = 0
        try {
          for (const message of reader.read(piece)) {
            if (message.kind !== 'welcome' || isWelcome) {
              this.#host.receive(message)
              continue
            }
            isWelcome = true
            clearInterval(timer)
            socket.unref()
            this.#send = send
            this.#leave = async () => void socket.destroy()
            resolve(true)
            this.#host.receive(message)
            if (this.#isOn) this.#host.joined()
          }
        } catch {
          socket.destroy()
        }
      })
    })
  }

  /** Becomes the hub. */
  async #own(found: Inode): Promise<void> {
    const hub = new Hub(this.#host.replica, () => server.holds())
    const end = async (): Promise<void> => {
      await server.leave()
      hub.end()
      server.stop()
    }
    const server = new HubServer(hub, this.#place, () => {
      hub.end()
      void end()
      if (this.#leave === end) this.#lost()
    })
    const own: Peer = { node: this.#host.node, send: (message) => soon(() => this.#host.receive(message)) }
    hub.add(own)
    try {
      await server.start(found)
    } catch (error) {
      await end()
      throw error
    }
    this.#send = (message) => hub.receive(own, message)
    this.#leave = end
    this.#hasHub = true
    if (this.#isOn) this.#host.joined()
  }

  /** Asks a hub of another process for a sign of life, and parts with one that gives none. */
  #ask(): void {
    if (this.#send === undefined || this.#hasHub) return
    if (++this.#unanswered > MOST_UNANSWERED) this.#replace()
    else this.#send({ kind: 'ping', id: 0 })
  }

  /** Takes the place of a hub that does not answer; when it does again, it sees that and gives it up. */
  #replace(): void {
    void this.#leave()
    const wasJoined = this.#send !== undefined
    this.#send = undefined
    if (!wasJoined) return
    this.#host.parted(new Error('the hub of the machine does not answer'))
    this.#again(SPREAD_MS)
  }
}
