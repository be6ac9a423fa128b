/** The rights of a `RedisStateProvider` on a server: each thing is done once, with a record that is deleted again. */

import { RedisStateProvider } from '../providers/redis/provider.js'

export interface Right {
  readonly name: string
  readonly ok: boolean
  readonly cause?: string
}

const WAIT_MS = 3_000
const VECTOR = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 1 }

/** The innermost cause says most. */
function causeOf(error: unknown): string {
  let inner = error as { readonly message?: string; readonly cause?: unknown } | undefined
  while (inner?.cause) inner = inner.cause as typeof inner
  return inner?.message ?? String(error)
}

async function received(listener: RedisStateProvider, speaker: RedisStateProvider, routeId: string): Promise<void> {
  let stop = (): void => {}
  let timer: NodeJS.Timeout | undefined
  try {
    const reached = new Promise<void>((resolve, reject) => {
      stop = listener.subscribe(routeId, () => resolve())
      timer = setTimeout(() => reject(new Error(`nothing was received for ${WAIT_MS} ms`)), WAIT_MS)
    })
    // A message from before the other listens is lost.
    const again = setInterval(() => speaker.updateVector(routeId, VECTOR).catch(() => {}), WAIT_MS / 10)
    await reached.finally(() => clearInterval(again))
  } finally {
    clearTimeout(timer)
    stop()
  }
}

/** @param url may hold a password, which no cause shows */
export async function rightsOn(url: string): Promise<Right[]> {
  const rights: Right[] = []
  const check = async (name: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work()
      rights.push({ name, ok: true })
      return true
    } catch (error) {
      rights.push({ name, ok: false, cause: causeOf(error) })
      return false
    }
  }
  const made: RedisStateProvider[] = []
  const open = async (): Promise<RedisStateProvider> => {
    const provider = new RedisStateProvider(url)
    made.push(provider)
    await provider.connect()
    return provider
  }
  const routeId = `atrion-doctor-${process.pid}-${Date.now()}`
  try {
    let first: RedisStateProvider | undefined
    const isOpen = await check('connect', async () => {
      first = await open()
    })
    if (!isOpen || first === undefined) return rights
    const provider = first
    await check('write a state', () => provider.updateVector(routeId, VECTOR))
    await check('read it', async () => {
      if ((await provider.getVector(routeId)) === null) throw new Error('what was written is not there')
    })
    await check('list routes', () => provider.listRoutes())
    await check('publish to other nodes, and receive from them', async () => received(await open(), provider, routeId))
    await check('delete it', () => provider.deleteVector(routeId))
    await check('share documents: budgets, patches, bans', async () => {
      const { version } = await provider.readDocument(routeId)
      if (await provider.writeDocument(routeId, version, 'doctor', { ttlMs: 1000 })) return
      throw new Error('a document of its own was not written')
    })
    return rights
  } finally {
    await Promise.all(made.map((provider) => provider.disconnect().catch(() => {})))
  }
}
