/** The MAC that rows carry where the nodes share a secret: HMAC-SHA-256 of what the row says and where it lies. */

import { builtin } from '../../base/builtin.js'
import { AtrionError } from '../../base/errors.js'

/** Stands for a MAC where there is no secret. */
const NO_MAC = '-'

export class Seal {
  readonly #secrets: readonly Uint8Array[]
  readonly #crypto: typeof import('node:crypto') | undefined

  /** @throws AtrionError where this runtime has no `node:crypto`, and a secret was given */
  constructor(secrets: readonly Uint8Array[]) {
    this.#secrets = secrets
    if (secrets.length === 0) return
    const crypto = builtin('node:crypto')
    if (typeof crypto.createHmac !== 'function') {
      throw new AtrionError('a secret needs node:crypto, which this runtime lacks', { code: 'ATRION_DEPENDENCY' })
    }
    this.#crypto = crypto
  }

  get hasSecret(): boolean {
    return this.#secrets.length > 0
  }

  /** The MAC of a row by its parts, by the first secret. */
  sign(...parts: readonly string[]): string {
    return this.hasSecret ? this.#mac(this.#secrets[0]!, parts) : NO_MAC
  }

  /** Returns whether a row is of a node that has a secret of these; true where there is none. */
  verifies(mac: unknown, ...parts: readonly string[]): boolean {
    if (!this.hasSecret) return true
    if (typeof mac !== 'string') return false
    const given = new TextEncoder().encode(mac)
    return this.#secrets.some((secret) => {
      const right = new TextEncoder().encode(this.#mac(secret, parts))
      return given.length === right.length && this.#crypto!.timingSafeEqual(given, right)
    })
  }

  #mac(secret: Uint8Array, parts: readonly string[]): string {
    const hmac = this.#crypto!.createHmac('sha256', secret)
    // Each with its length, so that no part can pass for another's end.
    for (const part of parts) hmac.update(`${part.length}:`).update(part)
    return hmac.digest('hex').slice(0, 32)
  }
}
