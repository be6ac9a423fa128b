/** {@link RedisStateProvider} under the name and with the options that it had in atrion 2.0. */

import { ConfigError } from '../../base/errors.js'
import { copyOf } from '../../base/own.js'
import { refusal } from '../checks.js'
import { type RedisClientLike, RedisStateProvider } from './provider.js'
import type { RedisStateProviderOptions } from './settings.js'

/** {@link RedisStateProviderOptions} under the name that they had in atrion 2.0. */
export type RedisOptions = RedisStateProviderOptions

/** Options under their names in atrion 2.0. */
export interface RedisClusterProviderOptions {
  /** The server, as for {@link RedisStateProvider}. */
  readonly redis?: string | RedisStateProviderOptions | RedisClientLike
  /** `interval`, ms, is intervalMs; `channel` is channel. */
  readonly sync?: { readonly interval?: number; readonly channel?: string }
  readonly gamma?: number
}

/** {@link RedisStateProvider} under the name and with the options that it had in atrion 2.0. */
export class RedisClusterProvider extends RedisStateProvider {
  override readonly name: string = 'RedisClusterProvider'

  /**
   * @throws ConfigError for an option out of its range, or unknown
   * @throws DependencyError where the native addon is missing
   */
  constructor(options: RedisClusterProviderOptions = {}) {
    if (typeof options !== 'object' || options === null) throw refusal('options', 'an object', options)
    const { redis, sync, gamma, ...unknown } = copyOf(options, ['redis', 'sync', 'gamma'])
    if (sync != null && typeof sync !== 'object') throw refusal('sync', 'an object', sync)
    const { interval, channel, ...unknownOfSync } = copyOf(sync ?? {}, ['interval', 'channel'])
    for (const field of Object.keys(unknown)) throw new ConfigError(field, 'redis, sync or gamma', 'an unknown option')
    for (const field of Object.keys(unknownOfSync)) {
      throw new ConfigError(`sync.${field}`, 'interval or channel', 'an unknown option')
    }
    super(redis ?? {}, {
      ...(interval != null && { intervalMs: interval }),
      ...(channel != null && { channel }),
      ...(gamma != null && { gamma }),
    })
  }
}
