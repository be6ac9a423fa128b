/** The providers that need what only Node has; bundles for other runtimes take `node-web` instead. */

export { FileStateProvider, type FileStateProviderOptions } from './file.js'
export {
  type RedisClientLike,
  RedisClusterProvider,
  type RedisClusterProviderOptions,
  type RedisOptions,
  type RedisSentinelSettings,
  RedisStateProvider,
  type RedisStateProviderOptions,
  type RedisStats,
  type RedisTlsSettings,
} from './redis/provider.js'
