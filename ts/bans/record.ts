/** The document that holds the cluster's bans and what its nodes found, and its form. */

import { MAX_TEXT_BYTES } from '../base/documents.js'
import { ConfigError } from '../base/errors.js'
import { own, ownOptions } from '../base/own.js'
import { printable } from '../base/text.js'

/** The longest ban, ms. */
export const MOST_TTL_MS = 86_400_000
/** Bans and findings that travel, and nodes that are named. */
export const MOST_SHARED = 4_096
export const MOST_FOUND = 1_024
export const MOST_NODES = 256
export const MOST_REASON = 280
/** Longest text of a prefix, and different lengths of prefixes. */
export const LONGEST_PREFIX = 256
export const MOST_LENGTHS = 8
/** Bytes of a UTF-16 unit in the document, at most. */
const LONGEST_UNIT = 3
/** Nodes of a finding that are kept in any case: two are enough to agree, and some may be too young to count. */
const LEAST_WITNESSES = 4
const encoder = new TextEncoder()
const SALT = /^[0-9a-f]{32}$/
const HASH = /^[0-9a-z]{1,11}$/
const NAMES = ['salt', 'bans', 'found', 'lifted', 'nodes']
const NODE = /^[\w-]{1,64}$/
/** A node without a report for so long is absent, ms. */
export const PRESENT_MS = 90_000

/** A ban as it travels. */
export interface SharedBan {
  /** The end of the ban, Unix ms of the store. */
  readonly untilMs: number
  readonly reason: string | undefined
  readonly isSimulated: boolean
  /** Characters of the prefix; 0: it is of a key. */
  readonly prefix: number
}

/** Evidence of nodes against a key. */
export interface Finding {
  readonly scenario: 'share' | 'failures'
  /** Ends of each node's evidence, Unix ms of the store, by node. */
  readonly nodes: ReadonlyMap<string, number>
}

export interface BanDocument {
  /** Makes the hashes of keys, where nodes have no secret of their own. */
  readonly salt: string
  readonly bans: Map<number, SharedBan>
  readonly found: Map<number, Finding>
  /** Times at which bans were lifted, Unix ms of the store: a ban that is only missing gave way to others. */
  readonly lifted: Map<number, number>
  /** Nodes that look for evidence, with the time of their last report of it, Unix ms of the store. */
  readonly nodes: Map<string, number>
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0

/** A list that a later version wrote: it is not to be written over. */
export class LaterFormat extends Error {}

/** A hash in a text, and back. */
export const textOfHash = (hash: number): string => hash.toString(36)
export const hashOfText = (text: string): number | undefined => {
  const hash = HASH.test(text) ? Number.parseInt(text, 36) : Number.NaN
  return Number.isSafeInteger(hash) ? hash : undefined
}

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

const isTuple = (value: unknown): value is readonly unknown[] => Array.isArray(value)

/**
 * The document in a text that any node wrote, without what is over and without what has no place. @throws Error for what is none
 */
export function readBans(text: string | null, nowMs: number, salt: string): BanDocument {
  const document: BanDocument = { salt, bans: new Map(), found: new Map(), lifted: new Map(), nodes: new Map() }
  if (text === null) return document
  const given: unknown = JSON.parse(text)
  const format = typeof given === 'object' && given !== null ? own(given as { format?: unknown }, 'format') : undefined
  if (Number.isInteger(format) && (format as number) > 1) throw new LaterFormat('a later version wrote it')
  if (format !== 1) throw new Error('it is not a list of bans in a format that this version reads')
  const { salt: known, bans, found, lifted, nodes } = ownOptions(given as Record<string, unknown>, NAMES)
  if (typeof known !== 'string' || !SALT.test(known)) throw new Error('it has no salt')
  // No ban lasts longer than it may, whatever was written.
  const latestMs = nowMs + MOST_TTL_MS
  for (const [name, entry] of entriesOf(bans)) {
    const hash = hashOfText(name)
    if (hash === undefined || document.bans.size >= MOST_SHARED || !isTuple(entry)) continue
    const [untilMs, reason, simulated, prefix] = entry
    if (!isTime(untilMs) || untilMs <= nowMs) continue
    document.bans.set(hash, {
      untilMs: Math.min(untilMs, latestMs),
      reason: typeof reason === 'string' ? printable(reason.slice(0, MOST_REASON)).slice(0, MOST_REASON) : undefined,
      isSimulated: simulated === 1,
      prefix:
        Number.isInteger(prefix) && (prefix as number) > 0 && (prefix as number) <= LONGEST_PREFIX
          ? (prefix as number)
          : 0,
    })
  }
  for (const [name, entry] of entriesOf(found)) {
    const hash = hashOfText(name)
    if (hash === undefined || document.found.size >= MOST_FOUND || !isTuple(entry)) continue
    const by = new Map<string, number>()
    for (const [node, untilMs] of entriesOf(entry[1])) {
      if (NODE.test(node) && isTime(untilMs) && untilMs > nowMs && by.size < MOST_NODES) {
        by.set(node, Math.min(untilMs, latestMs))
      }
    }
    if (by.size > 0) document.found.set(hash, { scenario: entry[0] === 'failures' ? 'failures' : 'share', nodes: by })
  }
  for (const [name, atMs] of entriesOf(lifted)) {
    const hash = hashOfText(name)
    if (hash === undefined || document.lifted.size >= MOST_FOUND || !isTime(atMs) || atMs + MOST_TTL_MS <= nowMs)
      continue
    document.lifted.set(hash, Math.min(atMs, nowMs))
  }
  // Nodes come and go: those that are gone must not take the places of others.
  const present = entriesOf(nodes).filter(
    (entry): entry is [string, number] =>
      NODE.test(entry[0]) && isTime(entry[1]) && Math.abs(nowMs - entry[1]) < PRESENT_MS,
  )
  for (const [node, atMs] of present.slice(-MOST_NODES)) document.nodes.set(node, atMs)
  return { ...document, salt: known }
}

export const copyOf = ({ salt, bans, found, lifted, nodes }: BanDocument): BanDocument => ({
  salt,
  bans: new Map(bans),
  found: new Map(found),
  lifted: new Map(lifted),
  nodes: new Map(nodes),
})

/**
 * The text of a document. Where it is too long for one, reasons are left out, then of each finding the nodes whose evidence ends first, then what
 * nodes found.
 */
export function writeBans(document: BanDocument): string {
  const whole = textOf(document)
  if (fits(whole)) return whole
  const bans = new Map([...document.bans].map(([hash, ban]) => [hash, { ...ban, reason: undefined }]))
  const plain = textOf({ ...document, bans })
  if (fits(plain)) return plain
  const found = new Map(
    [...document.found].map(([hash, { scenario, nodes }]) => {
      const latest = [...nodes].sort(([, a], [, b]) => b - a).slice(0, LEAST_WITNESSES)
      return [hash, { scenario, nodes: new Map(latest) }]
    }),
  )
  const short = textOf({ ...document, bans, found })
  return fits(short) ? short : textOf({ ...document, bans, found: new Map() })
}

const fits = (text: string): boolean =>
  text.length <= MAX_TEXT_BYTES / LONGEST_UNIT || encoder.encode(text).length <= MAX_TEXT_BYTES

function textOf({ salt, bans, found, lifted, nodes }: BanDocument): string {
  return JSON.stringify({
    format: 1,
    salt,
    bans: Object.fromEntries(
      [...bans].map(([hash, { untilMs, reason, isSimulated, prefix }]) => [
        textOfHash(hash),
        [Math.ceil(untilMs), reason || 0, isSimulated ? 1 : 0, prefix],
      ]),
    ),
    found: Object.fromEntries(
      [...found].map(([hash, { scenario, nodes: by }]) => [textOfHash(hash), [scenario, Object.fromEntries(by)]]),
    ),
    lifted: Object.fromEntries([...lifted].map(([hash, atMs]) => [textOfHash(hash), atMs])),
    nodes: Object.fromEntries(nodes),
  })
}

/** @throws ConfigError */
export function requirePrefix(field: string, prefix: unknown): string {
  if (typeof prefix === 'string' && prefix !== '' && prefix.length <= LONGEST_PREFIX) return prefix
  throw new ConfigError(field, `a text of 1 to ${LONGEST_PREFIX} characters`, prefix)
}
