/** The rights of a `RedisStateProvider` on a server. */

import { RedisStateProvider } from '../providers/redis/provider.js'
import { checkInto, type Right, tryAll } from './rights.js'

/** @param url may hold a password, which no cause shows */
export async function rightsOn(url: string): Promise<Right[]> {
  const rights: Right[] = []
  await tryAll(checkInto(rights), () => new RedisStateProvider(url))
  return rights
}
