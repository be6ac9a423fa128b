/** The abilities of the package beyond decisions on this machine: each is tried once. */

import { Atrion } from '../entries/node.js'
import { MachineStateProvider } from '../providers/machine/provider.js'

export interface Ability {
  readonly ok: boolean
  readonly cause?: string
}

const WAIT_MS = 2_000

/** Returns whether the native engine watches the event loop of this thread. */
export function canWatchLoop(): Ability {
  try {
    const atrion = new Atrion({ engine: 'native' })
    const stop = atrion.on('stall', () => {})
    const { loop } = atrion.metrics()
    stop()
    return loop === undefined
      ? { ok: false, cause: 'the host does not let an addon watch its event loop' }
      : { ok: true }
  } catch {
    return { ok: false, cause: 'it takes the native addon' }
  }
}

/** Returns whether processes of this machine and this user can share state: joins a hub of its own name, and leaves it. */
export async function canShareMachine(): Promise<Ability> {
  try {
    const provider = new MachineStateProvider({ name: `atrion doctor ${process.pid}`, timeoutMs: WAIT_MS })
    await provider.connect()
    await provider.disconnect()
    return { ok: true }
  } catch (error) {
    const { message, cause } = error as Error
    return { ok: false, cause: (cause as Error | undefined)?.message ?? message }
  }
}
