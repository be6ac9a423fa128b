/**
 * Access to Studio. With `authorize` it decides; without it, only requests of this machine may read: by the address of the socket, with a
 * `Host` of this machine (a name that a site rebinds to 127.0.0.1 is none), not sent by another site, and not forwarded by a proxy.
 */

import { own } from '../base/own.js'
import { plain } from './journal.js'

export type Role = 'read' | 'write'

/** The role of a request, and the name that its changes are noted under. */
export interface Grant {
  readonly role: Role
  readonly name: string
}

/** Decides what a request may do: false refuses it. */
export type Authorize = (request: never) => unknown

/** A request, as far as access depends on it. */
export interface Asked {
  readonly method: string
  /** The framework's own request, for `authorize`. */
  readonly original: unknown
  /** The address of the socket's other end; undefined where it is not known. */
  readonly remoteAddress: string | undefined
  header(name: string): string | undefined
}

/** A refusal: its status, and a sentence for people. */
export interface Refusal {
  readonly status: number
  readonly text: string
}

const refusal = (status: number, text: string): Refusal => ({ status, text })

/** Calls of `authorize` under way at once. */
const MOST_PENDING = 64
/** The time that `authorize` may take, ms. */
const AUTHORIZE_MS = 10_000
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via', 'cf-connecting-ip']

const isLoopbackAddress = (address: string | undefined): boolean =>
  address !== undefined && /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^::1$/i.test(address)

const isLoopbackHost = (host: string | undefined): boolean =>
  host !== undefined && /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i.test(host)

const hostOf = (asked: Asked): string | undefined => asked.header('host') ?? asked.header(':authority')

/** Returns whether another site's page sent a request; browsers say so themselves. */
const isCrossSite = (asked: Asked): boolean => {
  const site = asked.header('sec-fetch-site')
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

/** Opening the page by a link of another site is no harm where `authorize` decides. */
const isNavigation = (asked: Asked): boolean =>
  asked.header('sec-fetch-mode') === 'navigate' && (asked.method === 'GET' || asked.method === 'HEAD')

/** A page of another origin shows the page in a frame; which origins may, its policy says. */
const isFraming = (asked: Asked): boolean => isNavigation(asked) && asked.header('sec-fetch-dest') === 'iframe'

export class Access {
  readonly #authorize: Authorize | undefined
  readonly #origins: ReadonlySet<string>
  readonly #token: string
  readonly #isFramed: boolean
  #pending = 0

  /** @param isFramed whether some origin may show the page in a frame */
  constructor(authorize: Authorize | undefined, origins: readonly string[], token: string, isFramed = false) {
    this.#authorize = authorize
    this.#origins = new Set(origins)
    this.#token = token
    this.#isFramed = isFramed
  }

  /** Decides what a request may do. Never rejects. @param isPage whether it is for the page, not for its data */
  async decide(asked: Asked, isPage: boolean): Promise<Grant | Refusal> {
    if (this.#authorize === undefined) return this.#local(asked, isPage)
    if (isCrossSite(asked) && !(isPage && isNavigation(asked))) return refusal(403, 'Refused: sent by another site.')
    if (this.#pending >= MOST_PENDING) return refusal(503, 'Refused: too many requests wait for `authorize`.')
    this.#pending += 1
    try {
      return grantOf(await within(AUTHORIZE_MS, this.#authorize(asked.original as never)))
    } catch {
      return refusal(403, 'Refused: `authorize` failed.')
    } finally {
      this.#pending -= 1
    }
  }

  /** Returns the refusal of a change by a request that was granted access; undefined: it may be made. */
  forbids(asked: Asked, grant: Grant): Refusal | undefined {
    if (grant.role !== 'write') return refusal(403, 'Refused: you may read only.')
    if (!/^application\/json\b/i.test(asked.header('content-type') ?? '')) return refusal(415, 'Refused: not JSON.')
    const site = asked.header('sec-fetch-site')
    if (site !== undefined && site !== 'same-origin') return refusal(403, 'Refused: sent by another site.')
    if (!this.#isOwnOrigin(asked)) return refusal(403, 'Refused: the Origin is not this page.')
    if (!isSame(asked.header('x-atrion-token') ?? '', this.#token)) {
      return refusal(403, 'Refused: the token is not of this process. Load the page again.')
    }
    return undefined
  }

  #isOwnOrigin(asked: Asked): boolean {
    const origin = asked.header('origin')
    if (origin === undefined) return false
    if (this.#origins.has(origin)) return true
    const host = hostOf(asked)
    try {
      const url = new URL(origin)
      return /^https?:$/.test(url.protocol) && url.host === new URL(`${url.protocol}//${host}`).host
    } catch {
      return false
    }
  }

  #local(asked: Asked, isPage: boolean): Grant | Refusal {
    if (!isLoopbackAddress(asked.remoteAddress)) {
      return refusal(403, 'Refused: without `authorize` Studio answers to this machine alone.')
    }
    if (FORWARDING.some((name) => asked.header(name) !== undefined)) {
      return refusal(403, 'Refused: forwarded by a proxy, whose client is not known. Give Studio `authorize`.')
    }
    if (!isLoopbackHost(hostOf(asked))) return refusal(403, 'Refused: the Host is not this machine.')
    const mayFrame = isPage && this.#isFramed && isFraming(asked)
    if (isCrossSite(asked) && !mayFrame) return refusal(403, 'Refused: sent by another site. Type its address instead.')
    return { role: 'read', name: 'local' }
  }
}

function grantOf(answer: unknown): Grant | Refusal {
  if (answer === 'read' || answer === 'write') return { role: answer, name: answer === 'write' ? 'operator' : 'reader' }
  if (answer === true) return { role: 'read', name: 'reader' }
  if (typeof answer === 'object' && answer !== null) {
    const role = own(answer as { role?: unknown }, 'role')
    const name = own(answer as { name?: unknown }, 'name')
    if (role === 'read' || role === 'write') {
      return { role, name: typeof name === 'string' && name !== '' ? plain(name, 64) : 'operator' }
    }
  }
  return refusal(403, 'Refused by `authorize`.')
}

export const isRefusal = (answer: Grant | Refusal): answer is Refusal => 'status' in answer

function within<T>(ms: number, promise: T | PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('too slow')), ms)
    ;(timer as { unref?: () => void }).unref?.()
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
  })
}

/** Compares in a time that depends on the lengths alone. */
function isSame(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length
  for (let i = 0; i < expected.length; i++) difference |= expected.charCodeAt(i) ^ (given.charCodeAt(i) || 0)
  return difference === 0
}
