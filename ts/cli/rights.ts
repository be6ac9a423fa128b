/** The rights of a provider on a server: each thing is done once, with a record that is deleted again. */

import type { DocumentOptions, PhysicsVector, SharedDocument } from '../providers/provider.js'

export interface Right {
  readonly name: string
  readonly ok: boolean
  readonly cause?: string
}

/** Does one thing, and notes whether it could be done. */
export type Check = (name: string, work: () => Promise<unknown>) => Promise<boolean>

/** A provider by what is tried of it. */
export interface Tried {
  connect(): Promise<void>
  disconnect(): Promise<void>
  getVector(routeId: string): Promise<PhysicsVector | null>
  updateVector(routeId: string, vector: PhysicsVector): Promise<void>
  deleteVector(routeId: string): Promise<void>
  listRoutes(): Promise<string[]>
  subscribe(routeId: string, onChange: () => void): () => void
  readDocument(name: string): Promise<SharedDocument>
  writeDocument(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean>
}

const WAIT_MS = 3_000
const VECTOR = { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 1 }

/** The innermost cause says most. */
function causeOf(error: unknown): string {
  let inner = error as { readonly message?: string; readonly cause?: unknown } | undefined
  while (inner?.cause) inner = inner.cause as typeof inner
  return inner?.message ?? String(error)
}

/** @param clean takes secrets out of a cause */
export function checkInto(rights: Right[], clean = (cause: string): string => cause): Check {
  return async (name, work) => {
    try {
      await work()
      rights.push({ name, ok: true })
      return true
    } catch (error) {
      rights.push({ name, ok: false, cause: clean(causeOf(error)) })
      return false
    }
  }
}

async function received(listener: Tried, speaker: Tried, routeId: string): Promise<void> {
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

/** Does all that a service does with a provider. @param make gives one that has not connected */
export async function tryAll(check: Check, make: () => Tried): Promise<void> {
  const made: Tried[] = []
  const open = async (): Promise<Tried> => {
    const provider = make()
    made.push(provider)
    await provider.connect()
    return provider
  }
  const routeId = `atrion-doctor-${process.pid}-${Date.now()}`
  try {
    let first: Tried | undefined
    const isOpen = await check('connect', async () => {
      first = await open()
    })
    if (!isOpen || first === undefined) return
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
  } finally {
    await Promise.all(made.map((provider) => provider.disconnect().catch(() => {})))
  }
}
