/** Reads the tick that the frame's out cells describe as an observer's event. */

import type { PhysicsEvent } from '../core/types.js'
import { FRAME, modeAt } from '../engine/port.js'

/** The tick that the out cells describe. */
export function readEvent(frame: Float64Array, routeId: string): PhysicsEvent {
  const mode = modeAt(frame, FRAME.MODE)
  const from = modeAt(frame, FRAME.MODE_BEFORE)
  const [latency, error, saturation] = frame.subarray(FRAME.PRESSURE, FRAME.PRESSURE + 3) as unknown as number[]
  return {
    routeId,
    mode,
    resistance: frame[FRAME.RESISTANCE]!,
    momentum: mode === 'BOOTSTRAP' ? undefined : frame[FRAME.MOMENTUM]!,
    scarTissue: frame[FRAME.SCAR]!,
    decision: mode === 'BOOTSTRAP' ? 'BOOTSTRAP' : mode === 'CIRCUIT_BREAKER' ? 'SHED' : 'FLOW',
    deltaT: frame[FRAME.DELTA_T_MS]!,
    timestamp: frame[FRAME.TIMESTAMP]!,
    pressureMagnitude: Math.sqrt(latency! * latency! + error! * error! + saturation! * saturation!),
    modeTransition: from === mode ? undefined : { from, to: mode },
    tickCount: frame[FRAME.TICKS]!,
  } as PhysicsEvent
}
