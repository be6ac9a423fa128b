/** The calls of a recorded engine that are not of the hot path: each is written with its inputs, at the time that it went by. */

import { type Engine, FRAME, NO_SLOT, STATE } from '../engine/port.js'
import type { Coder } from './coder.js'
import { ENTRY } from './format.js'
import { PAST_CELLS, type Peers, SHARE_CELLS } from './peers.js'

/** The calls that are replaced. */
export const RARE = [
  'intern',
  'remove',
  'defineLaw',
  'setLaw',
  'writeState',
  'share',
  'inherit',
  'scar',
  'lease',
  'order',
  'setDryRun',
  'nextUsed',
] as const
type Rare = (typeof RARE)[number]

/** The engine's own call of a name. */
type Call = <N extends Rare>(name: N) => Engine[N]

/** The calls that are not of the hot path. */
export function rareCalls(coder: Coder, peers: Peers, call: Call): Pick<Engine, Rare> {
  const { engine, writer } = coder
  /** Writes an entry about a slot after the call, at the time that the call went by. */
  const after = <T>(entry: number, slot: number, isCoarse: boolean, run: () => T, more?: () => void): T => {
    coder.ready(slot)
    coder.isWithin = true
    try {
      let result!: T
      const nowMs = coder.timed(() => {
        result = run()
      }, isCoarse)
      coder.beginRare(entry, nowMs)
      writer.varint(slot)
      more?.()
      return result
    } finally {
      coder.isWithin = false
    }
  }
  const [intern, remove, defineLaw, setLaw] = [call('intern'), call('remove'), call('defineLaw'), call('setLaw')]
  const [writeState, share, inherit, scar] = [call('writeState'), call('share'), call('inherit'), call('scar')]
  const [lease, order, setDryRun] = [call('lease'), call('order'), call('setDryRun')]
  const nextUsed = call('nextUsed')
  return {
    intern: (routeId) => {
      const wasThere = engine.find(routeId)
      coder.ready(wasThere >= 0 ? wasThere : NO_SLOT)
      coder.isWithin = true
      let slot = NO_SLOT
      try {
        const nowMs = coder.timed(() => {
          slot = intern(routeId)
        }, true)
        if (slot === NO_SLOT) return slot
        coder.beginLarge()
        if (slot !== wasThere) {
          coder.note(slot)
          coder.writeName(slot, routeId)
        }
        writer.byte(ENTRY.INTERN)
        coder.time(nowMs)
        writer.varint(slot)
        return slot
      } finally {
        coder.isWithin = false
      }
    },
    remove: (slot) => {
      after(ENTRY.REMOVE, slot, true, () => remove(slot))
      if (slot < coder.known.length) coder.known[slot] = 0
    },
    defineLaw: (cells, id) => {
      const law = defineLaw(cells, id)
      if (law < 0) return law
      coder.isWithin = true
      coder.beginLarge()
      coder.isWithin = false
      coder.writeLaw(law, cells)
      // The new settings of all routes are known at this point.
      if (law === 0) coder.writeBase(coder.routes.profiles.base)
      return law
    },
    setLaw: (slot, law) => {
      coder.ready(slot)
      coder.introduceLaw(law)
      after(
        ENTRY.SET_LAW,
        slot,
        true,
        () => setLaw(slot, law),
        () => {
          writer.varint(law)
          const name = engine.nameOf(slot)
          if (name !== undefined) coder.writeProfile(slot, name)
        },
      )
    },
    writeState: (slot) => {
      const cells = engine.frame.slice(FRAME.STATE, FRAME.STATE + STATE.LENGTH)
      coder.ready(slot)
      engine.frame.set(cells, FRAME.STATE)
      return after(
        ENTRY.STATE,
        slot,
        false,
        () => writeState(slot),
        () => writer.doubles(cells, 0, STATE.LENGTH),
      )
    },
    share: (slot) =>
      after(
        ENTRY.SHARE,
        slot,
        true,
        () => share(slot),
        () => writer.doubles(engine.batch, 0, SHARE_CELLS),
      ),
    inherit: (slot, taken) =>
      after(
        ENTRY.INHERIT,
        slot,
        true,
        () => inherit(slot, taken),
        () => {
          writer.byte(taken ? 1 : 0)
          writer.doubles(engine.batch, 0, PAST_CELLS)
        },
      ),
    scar: (slot, ohms) =>
      after(
        ENTRY.SCAR,
        slot,
        true,
        () => scar(slot, ohms),
        () => writer.double(ohms),
      ),
    lease: (slot, taken) =>
      after(
        ENTRY.LEASE,
        slot,
        false,
        () => lease(slot, taken),
        () => writer.byte(taken ? 1 : 0),
      ),
    order: (slot, given) =>
      after(
        ENTRY.ORDER,
        slot,
        true,
        () => order(slot, given),
        () => writer.byte(given),
      ),
    nextUsed: () => {
      const slot = nextUsed()
      peers.noteUsed(1)
      return slot
    },
    setDryRun: (dryRun) => {
      setDryRun(dryRun)
      coder.beginRare(ENTRY.DRY_RUN, writer.lastMs)
      writer.byte(dryRun ? 1 : 0)
    },
  }
}
