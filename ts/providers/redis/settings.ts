/** From what a user writes to what the link takes. Nothing here throws a password: not in a message, not in `got`. */

import { DEFAULT_MAX_ROUTES } from '../../base/bounded-routes.js'
import { ConfigError } from '../../base/errors.js'
import { given } from '../../base/input.js'
import { ownOptions } from '../../base/own.js'
import { isBytes } from '../../base/realm.js'
import { Withheld } from '../../base/text.js'
import { flag, integer, known, number, refusal, type Secret, secretsOf, text } from '../checks.js'
import { zoneOf } from '../provider.js'
import { MAX_ADDRESSES } from './addresses.js'

export interface RedisTlsSettings {
  /** Certificates to trust instead of the system's roots, PEM. */
  readonly ca?: Pem | readonly Pem[] | undefined
  /** The client's certificate, PEM; needs `key`. */
  readonly cert?: Pem | undefined
  /** The certificate's key, PEM. */
  readonly key?: Pem | undefined
  /** The name the server's certificate has to be for, if it is not the host. Not for clusters. */
  readonly servername?: string | undefined
  /** True when a certificate without a trusted signature is refused. Default true. */
  readonly rejectUnauthorized?: boolean | undefined
}

export interface RedisSentinelSettings {
  /** Name of the master's group, as the sentinels know it. */
  readonly name: string
  /** The addresses: 'host:port'; the default port is 26379. */
  readonly sentinels: readonly string[]
  /** User name for the sentinels. Default: none. */
  readonly username?: string | undefined
  /** The password for the sentinels. */
  readonly password?: string | undefined
}

export interface RedisStateProviderOptions {
  /** redis://user:password@host:port/db, or rediss:// for TLS. What is given beside it counts instead of its part. */
  readonly url?: string | undefined
  /** Default '127.0.0.1'. */
  readonly host?: string | undefined
  /** [1, 65535]. Default 6379. */
  readonly port?: number | undefined
  /** A Unix socket instead of host and port. */
  readonly path?: string | undefined
  /** Default: the server's default user. */
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Number of the database, an integer ≥ 0. Default 0, the only one of a cluster. */
  readonly db?: number | undefined
  /** True, or how, for TLS; to sentinels as well. Default: as the URL says. */
  readonly tls?: boolean | RedisTlsSettings | undefined
  /** Nodes of a Redis Cluster, 'host:port' or URLs: one that answers is enough. */
  readonly cluster?: readonly string[] | undefined
  readonly sentinel?: RedisSentinelSettings | undefined
  /** The beginning of every key. Default 'atrion:state:'. */
  readonly keyPrefix?: string | undefined
  /** The pub/sub channel. Default 'atrion:sync'. */
  readonly channel?: string | undefined
  /**
   * The secret that all nodes of the service share, and nothing else has: messages and stored records carry a MAC by it, and what does not is
   * counted in `stats()` and dropped. A string of 16 bytes or more in UTF-8, or a Uint8Array; `openssl rand -base64 32` makes one.
   * Of a list of at most 8 the first signs and all verify: `[old, new]` on all nodes, then `[new, old]`, then `new` replaces a
   * secret without a gap. Clocks have to agree within a minute. Default: none, see docs/operations/security.md.
   */
  readonly secret?: Secret | readonly Secret[] | undefined
  /**
   * The zone of this node, as 'eu-1': reports of nodes in the same zone weigh four times as much as others. 1 to 64 characters. Default: none,
   * all weigh alike.
   */
  readonly zone?: string | undefined
  /** The interval at which changes go out, ms, an integer in [1, 60000]. Default 100. */
  readonly intervalMs?: number | undefined
  /** γ: the weight of other nodes' reports against this node's own measurements, [0, 1]. Default 0.3. */
  readonly gamma?: number | undefined
  /** `connect()` is over by then, ms, an integer in [1, 600000]. Default 5000. */
  readonly connectTimeoutMs?: number | undefined
  /** True where `connect()` rejects when the server cannot be reached; else it goes on trying. Default true. */
  readonly required?: boolean | undefined
  /** The time after which a record that its node did not renew is forgotten, ms, an integer in [1000, 10¹²]. Default 300000. */
  readonly expireMs?: number | undefined
  /** Most routes kept and loaded, an integer in [1, 16777216]. Default 65536. */
  readonly maxRoutes?: number | undefined
}

type Pem = string | Uint8Array

/** The options of the native link. */
export interface LinkSettings {
  hosts: string[]
  ports: number[]
  path?: string | undefined
  isCluster: boolean
  sentinelMaster?: string | undefined
  sentinelUsername?: string | undefined
  sentinelPassword?: string | undefined
  username?: string | undefined
  password?: string | undefined
  db: number
  tls?: LinkTls | undefined
  keyPrefix: string
  channel: string
  secrets: Uint8Array[]
  zone?: string | undefined
  intervalMs: number
  connectTimeoutMs: number
  expireMs: number
  maxRoutes: number
  required: boolean
}

interface LinkTls {
  ca?: Uint8Array | undefined
  cert?: Uint8Array | undefined
  key?: Uint8Array | undefined
  serverName?: string | undefined
  acceptAny: boolean
}

export interface Settings {
  readonly link: LinkSettings
  readonly gamma: number
}

const REDIS_PORT = 6379
const SENTINEL_PORT = 26_379

/** The names of all options. */
export const FIELDS: ReadonlySet<string> = new Set<keyof RedisStateProviderOptions>([
  ...(['url', 'host', 'port', 'path', 'username', 'password', 'db', 'tls', 'cluster', 'sentinel'] as const),
  ...(['keyPrefix', 'channel', 'secret', 'zone', 'intervalMs', 'gamma', 'connectTimeoutMs'] as const),
  ...(['required', 'expireMs', 'maxRoutes'] as const),
])
const TLS_FIELDS: ReadonlySet<string> = new Set<keyof RedisTlsSettings>([
  ...(['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'] as const),
])
const SENTINEL_FIELDS: ReadonlySet<string> = new Set<keyof RedisSentinelSettings>([
  ...(['name', 'sentinels', 'username', 'password'] as const),
])

/** @throws ConfigError for what cannot be meant */
export function settingsOf(raw: RedisStateProviderOptions): Settings {
  const options = ownOptions(given(raw, FIELDS), FIELDS)
  known(options, FIELDS, '')
  const { cluster } = options
  const url = ownOptions(options.url === undefined ? {} : parseUrl('url', options.url), ADDRESS_FIELDS)
  const seeds = cluster === undefined ? [] : list('cluster', cluster).map((node) => seedOf('cluster', node, REDIS_PORT))
  const sentinel =
    options.sentinel === undefined
      ? undefined
      : ownOptions(object('sentinel', options.sentinel) as RedisSentinelSettings, SENTINEL_FIELDS)
  if (sentinel !== undefined) known(sentinel, SENTINEL_FIELDS, 'sentinel.')
  const watchers = sentinel
    ? list('sentinel.sentinels', sentinel.sentinels).map((node) => seedOf('sentinel.sentinels', node, SENTINEL_PORT))
    : []
  if (cluster && sentinel) throw refusal('cluster', 'left out where there is sentinel', cluster)
  const path = optional(options.path, (value) => text('path', value))
  const single = {
    host: hostOf('host', options.host ?? url.host ?? '127.0.0.1'),
    port: integer('port', options.port ?? url.port ?? REDIS_PORT, 1, 65_535),
  }
  const nodes = cluster ? seeds : sentinel ? watchers : [single]
  const first = ownOptions(seeds[0], ADDRESS_FIELDS)
  const db = integer('db', options.db ?? url.db ?? 0, 0, 2 ** 31 - 1)
  if (cluster && db !== 0) throw new ConfigError('db', '0 in a cluster', db)
  const tls = tlsOf(options.tls ?? (url.tls || first?.tls || undefined))
  if (cluster && tls?.serverName !== undefined) {
    throw refusal('tls.servername', 'left out in a cluster', tls.serverName)
  }
  return {
    gamma: number('gamma', options.gamma ?? 0.3, 0, 1),
    link: {
      hosts: nodes.map(({ host }) => host),
      ports: nodes.map(({ port }) => port),
      path: cluster || sentinel ? undefined : path,
      isCluster: cluster !== undefined,
      sentinelMaster: optional(sentinel?.name, (value) => text('sentinel.name', value)),
      sentinelUsername: optional(sentinel?.username, (value) => secret('sentinel.username', value)),
      sentinelPassword: optional(sentinel?.password, (value) => secret('sentinel.password', value)),
      username: optional(options.username ?? url.username ?? first?.username, (value) => secret('username', value)),
      password: optional(options.password ?? url.password ?? first?.password, (value) => secret('password', value)),
      db,
      tls,
      keyPrefix: text('keyPrefix', options.keyPrefix ?? 'atrion:state:'),
      channel: text('channel', options.channel ?? 'atrion:sync'),
      secrets: secretsOf(options.secret),
      zone: optional(options.zone, zoneOf),
      intervalMs: integer('intervalMs', options.intervalMs ?? 100, 1, 60_000),
      connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs ?? 5000, 1, 600_000),
      expireMs: integer('expireMs', options.expireMs ?? 300_000, 1000, 1e12),
      maxRoutes: integer('maxRoutes', options.maxRoutes ?? DEFAULT_MAX_ROUTES, 1, 2 ** 24),
      required: flag('required', options.required ?? true),
    },
  }
}

const ADDRESS_FIELDS = ['host', 'port', 'username', 'password', 'db', 'tls'] satisfies (keyof Address)[]

interface Address {
  host: string
  port: number
  username?: string | undefined
  password?: string | undefined
  db?: number | undefined
  tls?: boolean
}

const URL_RANGE = 'redis://[user:password@]host[:port][/db], or rediss:// for TLS'

function parseUrl(field: string, value: unknown): Partial<Address> {
  const invalid = () => refusal(field, URL_RANGE, value)
  if (typeof value !== 'string' || !URL.canParse(value)) throw invalid()
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(value)
  if ((protocol !== 'redis:' && protocol !== 'rediss:') || search !== '' || hash !== '') throw invalid()
  if (!/^(\/\d*)?$/.test(pathname)) throw invalid()
  try {
    return {
      ...(hostname !== '' && { host: decodeURIComponent(hostname.replace(/^\[(.*)\]$/, '$1')) }),
      ...(port !== '' && { port: Number(port) }),
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(pathname.length > 1 && { db: Number(pathname.slice(1)) }),
      tls: protocol === 'rediss:',
    }
  } catch {
    throw invalid()
  }
}

function seedOf(field: string, node: unknown, defaultPort: number): Address {
  if (typeof node !== 'string') throw refusal(field, "a list of 'host:port' or URLs", node)
  if (node.includes('://')) {
    return { host: '127.0.0.1', port: defaultPort, ...parseUrl(field, node) }
  }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:/@\s]+))(?::(\d{1,5}))?$/.exec(node) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw refusal(field, "a list of 'host:port' or URLs", node)
  return { host, port: integer(field, port === undefined ? defaultPort : Number(port), 1, 65_535) }
}

const IPV6 = /^[\da-f]*:[\da-f:.]+(%\w+)?$/i

function hostOf(field: string, value: unknown): string {
  if (typeof value === 'string' && (/^[^\s/@:]+$/.test(value) || IPV6.test(value))) return value
  throw refusal(field, 'a host name or an address, without a port', value)
}

function tlsOf(value: unknown): LinkTls | undefined {
  if (value === undefined || value === false) return undefined
  if (value === true) return { acceptAny: false }
  const tls = ownOptions(given(object('tls', value) as RedisTlsSettings, TLS_FIELDS), TLS_FIELDS)
  known(tls, TLS_FIELDS, 'tls.')
  const [ca, cert, key] = [pem('tls.ca', tls.ca), pem('tls.cert', tls.cert), pem('tls.key', tls.key)]
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigError(cert ? 'tls.key' : 'tls.cert', 'given together with the other one', undefined)
  }
  return {
    ca,
    cert,
    key,
    serverName: optional(tls.servername, (name) => text('tls.servername', name)),
    acceptAny: !flag('tls.rejectUnauthorized', tls.rejectUnauthorized ?? true),
  }
}

function pem(field: string, value: unknown): Uint8Array | undefined {
  if (value === undefined) return undefined
  const parts = Array.isArray(value) ? value : [value]
  const texts = parts.map((part) => {
    if (typeof part === 'string') return part
    if (isBytes(part)) return Buffer.from(part).toString('latin1')
    throw refusal(field, 'PEM, as a string or a Buffer', part)
  })
  const whole = texts.join('\n')
  if (!whole.includes('-----BEGIN ')) throw refusal(field, 'PEM, as a string or a Buffer', value)
  return Buffer.from(whole, 'latin1')
}

const optional = <T>(value: unknown, check: (value: unknown) => T): T | undefined =>
  value === undefined || value === null ? undefined : check(value)

function object(field: string, value: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(field, 'an object', value)
  return value
}

function list(field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_ADDRESSES)
    throw refusal(field, `a list of 1 to ${MAX_ADDRESSES} 'host:port' or URLs`, value)
  // Holes are values too.
  return Array.from<unknown>(value)
}

function secret(field: string, value: unknown): string {
  if (typeof value !== 'string') throw refusal(field, 'a string', new Withheld(value))
  return value
}
