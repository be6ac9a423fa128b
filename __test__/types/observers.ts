/** Observers and loggers. */
import assert from 'node:assert/strict'
import {
  consoleLogger,
  consoleObserver,
  createCollectorObserver,
  createCompositeObserver,
  createFilteredObserver,
  createLogger,
  getLogger,
  type Logger,
  type PhysicsEvent,
  type PhysicsObserver,
  resetLogger,
  setLogger,
  silentLogger,
  silentObserver,
} from 'atrion'

/** Every field of an event. */
function tell(event: PhysicsEvent): unknown[] {
  const decision: 'FLOW' | 'SHED' | 'BOOTSTRAP' = event.decision
  const numbers: number[] = [event.resistance, event.scarTissue, event.deltaT, event.timestamp, event.pressureMagnitude]
  const momentum: number | undefined = event.momentum
  const change: string = event.modeTransition ? `${event.modeTransition.from} → ${event.modeTransition.to}` : ''
  return [event.routeId, event.mode, event.tickCount, decision, momentum, change, ...numbers]
}

const collected: PhysicsEvent[] = []
const own: PhysicsObserver = { onUpdate: (event: PhysicsEvent) => void tell(event) }
const observers: PhysicsObserver[] = [
  consoleObserver,
  silentObserver,
  createCollectorObserver(collected),
  createFilteredObserver(own, (event) => event.decision === 'SHED'),
]
const all: PhysicsObserver = createCompositeObserver(...observers)
assert.equal(typeof all.onUpdate, 'function')

const loggers: Logger[] = [consoleLogger, silentLogger, createLogger('warn'), createLogger()]
assert.equal(getLogger(), silentLogger, 'silent by default')
for (const logger of loggers) {
  setLogger(logger)
  assert.equal(getLogger(), logger)
}
resetLogger()
assert.equal(getLogger(), silentLogger)
