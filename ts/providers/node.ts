/** The providers that need what only Node has; bundles for other runtimes take `node-web` instead. */

export { FileStateProvider, type FileStateProviderOptions } from './file.js'
export { MachineStateProvider, type MachineStateProviderOptions, type MachineStats } from './machine/provider.js'
export { RedisClusterProvider, type RedisClusterProviderOptions, type RedisOptions } from './redis/cluster-provider.js'
export { type RedisClientLike, RedisStateProvider, type RedisStats } from './redis/provider.js'
export type { RedisSentinelSettings, RedisStateProviderOptions, RedisTlsSettings } from './redis/settings.js'
