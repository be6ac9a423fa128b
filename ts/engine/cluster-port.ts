/** The seam of replication between an engine in Rust and a store in another addon: the two halves of a mailbox, and the calls on them. */

/** The store's half of a mailbox, whose other half an engine in another addon has: bytes that only the two of them read. */
export interface StoreHalf {
  /** Takes over what the engine's half has for the store. */
  deposit(outgoing: Uint8Array): void
  /** Takes what peers reported; null where nothing came. */
  received(): Uint8Array | null
  /** Takes what was loaded from the store; once, null before and after. */
  loaded(): Uint8Array | null
}

/** The engine's half. */
export interface EngineHalf {
  /** Takes what is to be sent to the store; null where nothing is. */
  outgoing(): Uint8Array | null
  receive(received: Uint8Array): void
  load(loaded: Uint8Array): void
}

/** The two halves of a mailbox. */
export interface MailboxLink {
  readonly store: StoreHalf
  /** Most routes each way. */
  readonly maxRoutes: number
  /** Made by the first engine that uses the link: engines that share it report as one. */
  engine?: EngineHalf
}

/** The work of an engine of the addon, below JavaScript, with a provider of the addon's. */
export interface NativeCluster {
  /** Sends what changed to the other nodes, and blends in their reports with the weight γ. */
  sync(link: MailboxLink, gamma: number): void
  /**
   * The same, for a recording: how many routes were used since the last time; and of each that they report eight cells, its slot, whether
   * what was inherited of them went (1), and the cells of SHARE.
   */
  syncRecorded(link: MailboxLink, gamma: number): Float64Array
  /** Takes over at most so many of the routes that were loaded from the store, with the weight γ; how many it took. */
  adopt(link: MailboxLink, most: number, gamma: number): number
  /** Drops the other nodes' reports. */
  leave(link: MailboxLink): void
}
