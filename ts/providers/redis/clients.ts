/** Reads how other clients of Redis connect: their settings are taken over, their sockets left alone. */

import { ConfigError } from '../../base/errors.js'
import { ownOptions } from '../../base/own.js'
import { Withheld } from '../../base/text.js'
import { MAX_ADDRESSES } from './addresses.js'
import type { RedisStateProviderOptions, RedisTlsSettings } from './settings.js'

type Bag = Record<string, unknown>

/** All that is read of a client and its options. */
const NAMES = [
  ...['options', '_options', 'isCluster', 'startupNodes', 'rootNodes', 'defaults', 'on', 'redisOptions', 'socket'],
  ...['host', 'port', 'path', 'db', 'database', 'url', 'username', 'password', 'keyPrefix', 'tls'],
  ...['sentinels', 'name', 'sentinelUsername', 'sentinelPassword'],
  ...['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'],
]

const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value)
const bagOf = (value: unknown): Bag => ownOptions(isBag(value) ? value : {}, NAMES)

/** The settings of an ioredis or node-redis client; undefined for what is neither. */
export function settingsOfClient(client: object): RedisStateProviderOptions | undefined {
  const { options, _options: hidden, isCluster, startupNodes, on } = ownOptions(client as Bag, NAMES)
  if (typeof on !== 'function') return undefined
  if (isCluster === true && Array.isArray(startupNodes)) return ofIoredisCluster(startupNodes, bagOf(options))
  const settings = bagOf(isBag(options) ? options : hidden)
  if (Array.isArray(settings.rootNodes)) return ofNodeRedisCluster(settings.rootNodes, bagOf(settings.defaults))
  if (!isBag(options)) {
    throw new ConfigError(
      'client',
      'an ioredis or node-redis client that shows its options; give the options instead',
      new Withheld(client),
    )
  }
  // Only ioredis fills in a retryStrategy of its own, and has its host beside it.
  return 'retryStrategy' in options || 'sentinels' in options ? ofIoredis(settings) : ofNodeRedis(settings)
}

function ofIoredis(options: Bag): RedisStateProviderOptions {
  const { host, port, path, db, sentinels, name } = options
  const common = { ...identity(options.username, options.password), ...tls(options.tls), ...prefix(options.keyPrefix) }
  if (Array.isArray(sentinels) && sentinels.length > 0) {
    const at = few(sentinels).map((sentinel) => addressOf(sentinel, 26_379))
    const who = identity(options.sentinelUsername, options.sentinelPassword)
    return { ...common, ...database(db), sentinel: { name: textOr(name, ''), sentinels: at, ...who } }
  }
  if (typeof path === 'string' && path !== '') return { ...common, ...database(db), path }
  return { ...common, ...database(db), host: textOr(host, '127.0.0.1'), port: portOr(port, 6379) }
}

function ofIoredisCluster(nodes: readonly unknown[], options: Bag): RedisStateProviderOptions {
  const common = bagOf(options.redisOptions)
  const [first] = nodes
  const own = bagOf(first)
  return {
    cluster: few(nodes).map((node) => addressOf(node, 6379)),
    ...identity(common.username ?? own.username, common.password ?? own.password),
    ...tls(common.tls ?? own.tls),
    ...prefix(options.keyPrefix ?? common.keyPrefix),
  }
}

function ofNodeRedis(options: Bag): RedisStateProviderOptions {
  const socket = bagOf(options.socket)
  const url = typeof options.url === 'string' ? { url: options.url } : {}
  const secure = socket.tls === true ? { tls: tlsFields(socket) } : {}
  const common = { ...url, ...identity(options.username, options.password), ...database(options.database), ...secure }
  if (typeof socket.path === 'string') return { ...common, path: socket.path }
  return {
    ...common,
    ...(typeof socket.host === 'string' && { host: socket.host }),
    ...(typeof socket.port === 'number' && { port: socket.port }),
  }
}

function ofNodeRedisCluster(nodes: readonly unknown[], defaults: Bag): RedisStateProviderOptions {
  const own = bagOf(nodes[0])
  const socket = { ...bagOf(defaults.socket), ...bagOf(own.socket) }
  return {
    cluster: few(nodes).map((node) => {
      const { url, socket: at } = bagOf(node)
      return typeof url === 'string' ? url : addressOf(at, 6379)
    }),
    ...identity(defaults.username ?? own.username, defaults.password ?? own.password),
    ...(socket.tls === true && { tls: tlsFields(socket) }),
  }
}

function addressOf(node: unknown, defaultPort: number): string {
  if (typeof node === 'number') return `127.0.0.1:${node}`
  if (typeof node === 'string') return node
  const { host, port } = bagOf(node)
  const name = textOr(host, '127.0.0.1')
  return `${name.includes(':') ? `[${name}]` : name}:${portOr(port, defaultPort)}`
}

/** A list without holes, as far as it takes to see that it is too long. */
const few = (list: readonly unknown[]): unknown[] => Array.from(list.slice(0, MAX_ADDRESSES + 1))

const textOr = (value: unknown, fallback: string): string => (isText(value) ? value : fallback)

/** ioredis takes a port as a text too. */
const portOr = (value: unknown, fallback: number): number =>
  typeof value === 'number' || isText(value) ? Number(value) : fallback

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const identity = (username: unknown, password: unknown) => ({
  ...(isText(username) && { username }),
  ...(isText(password) && { password }),
})

const database = (db: unknown) => (typeof db === 'number' ? { db } : {})

/** A client that prefixes all keys may have no right to others. */
const prefix = (keyPrefix: unknown) => (isText(keyPrefix) ? { keyPrefix: `${keyPrefix}atrion:state:` } : {})

const tls = (value: unknown) => (isBag(value) ? { tls: tlsFields(value) } : value === true ? { tls: true } : {})

/** The options of tls.connect that the link knows. */
function tlsFields(given: Bag): RedisTlsSettings {
  const { ca, cert, key, servername, rejectUnauthorized } = bagOf(given)
  return {
    ...(ca !== undefined && { ca: ca as NonNullable<RedisTlsSettings['ca']> }),
    ...(cert !== undefined && { cert: cert as NonNullable<RedisTlsSettings['cert']> }),
    ...(key !== undefined && { key: key as NonNullable<RedisTlsSettings['key']> }),
    ...(isText(servername) && { servername }),
    ...(typeof rejectUnauthorized === 'boolean' && { rejectUnauthorized }),
  }
}
