/** The link that a provider written in Rust shows to the native engine, besides the face of every provider. */

import type { MailboxLink } from '../engine/cluster-port.js'

/** Under this a provider carries its {@link NativeLink}. */
export const LINK: unique symbol = Symbol('atrion.link')

export interface NativeLink extends MailboxLink {
  /** Calls back when the link is lost or restored. @returns what stops that */
  onState(tell: (state: 'degraded' | 'restored', error?: Error) => void): () => void
}

/** The link of a provider that has one. */
export const linkOf = (provider: object): NativeLink | undefined => (provider as { [LINK]?: NativeLink })[LINK]
