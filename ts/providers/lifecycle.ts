/**
 * The lifecycle of a provider over a connection: `connect()` and `disconnect()` take effect one after the other, in the order of the calls,
 * and other calls wait until it is connected.
 */

import { ConnectionError } from '../base/errors.js'

export class Lifecycle {
  readonly #name: string
  #connecting: Promise<void> | undefined
  #isConnected = false
  /** Disconnects that were asked for and are not done. */
  #ending = 0
  #turn: Promise<void> = Promise.resolve()

  /** @param name of the provider, for errors */
  constructor(name: string) {
    this.#name = name
  }

  /** True while calls can be made at once. */
  get isConnected(): boolean {
    return this.#isConnected && this.#ending === 0
  }

  /** Connects by `open`, unless it is connected. @throws (rejects) ConnectionError with the error of `open` as its cause */
  connect(open: () => Promise<void>): Promise<void> {
    if (this.#connecting !== undefined) return this.#connecting
    const connecting: Promise<void> = this.#inTurn(async () => {
      if (this.#isConnected) return
      await open()
      this.#isConnected = true
    }).catch((cause: unknown) => {
      if (this.#connecting === connecting) this.#connecting = undefined
      throw new ConnectionError(this.#name, { cause })
    })
    this.#connecting = connecting
    return connecting
  }

  /** Disconnects a connected provider: `drain` finishes what was begun, and `close` ends the connection. */
  disconnect(drain: () => Promise<void>, close: () => Promise<void>): Promise<void> {
    this.#connecting = undefined
    this.#ending++
    return this.#inTurn(async () => {
      try {
        if (!this.#isConnected) return
        await drain()
        this.#isConnected = false
        await close()
      } finally {
        this.#ending--
      }
    })
  }

  /** Waits until the provider is connected, where `connect()` was called. @throws (rejects) ConnectionError where it was not, or failed */
  async connected(): Promise<void> {
    if (this.#connecting === undefined) throw new ConnectionError(this.#name)
    if (!this.isConnected) await this.#connecting
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}
