/** The instruments: their names, kinds, units and descriptions, for every exporter alike. */

import { DURATION_BOUNDS_S } from '../engine/metric-cells.js'

export type Kind = 'counter' | 'gauge' | 'histogram'

/** An instrument. */
export interface Family {
  /** OpenTelemetry's name. */
  readonly name: string
  readonly kind: Kind
  /** UCUM's unit, as OpenTelemetry wants it. */
  readonly unit: string
  /** Prometheus's name. A counter's comes with `_total` behind it. */
  readonly prometheus: string
  readonly help: string
}

const family = (name: string, kind: Kind, unit: string, suffix: string, help: string): Family => ({
  name,
  kind,
  unit,
  prometheus: name.replaceAll('.', '_') + suffix,
  help,
})

/** Bounds of both histograms, s. */
export const BOUNDS_S = DURATION_BOUNDS_S

export const FAMILIES = {
  requests: family(
    'atrion.requests',
    'counter',
    '{request}',
    '',
    'Requests of the closed loop, admitted and shed; shed ones by what limited them.',
  ),
  failures: family('atrion.request.failures', 'counter', '{request}', '', 'Admitted requests that failed.'),
  active: family('atrion.request.active', 'gauge', '{request}', '', 'Requests and leases in flight.'),
  waiting: family('atrion.request.waiting', 'gauge', '{request}', '', 'Requests that wait for a place.'),
  limit: family('atrion.request.limit', 'gauge', '{request}', '', 'Requests that the route carries at once.'),
  limitFloor: family('atrion.request.limit_floor', 'gauge', '{request}', '', 'The least limit that is configured.'),
  utilization: family('atrion.request.utilization', 'gauge', '1', '_ratio', 'Requests in flight over the limit.'),
  duration: family('atrion.request.duration', 'histogram', 's', '_seconds', 'Durations of completed requests.'),
  timeInQueue: family(
    'atrion.request.time_in_queue',
    'histogram',
    's',
    '_seconds',
    'Waits for a place, however they ended.',
  ),
  resistance: family(
    'atrion.route.resistance',
    'gauge',
    'Ohm',
    '_ohms',
    'Resistance that a request has to overcome now; of several routes the highest.',
  ),
  scar: family('atrion.route.scar', 'gauge', 'Ohm', '_ohms', 'The part of failures and past trauma in that.'),
  mode: family('atrion.route.mode', 'gauge', '{route}', '', 'Routes in a mode: 1 or 0 of a single route.'),
  override: family('atrion.route.override', 'gauge', '{route}', '', 'Routes under an order of an operator.'),
  transitions: family('atrion.transitions', 'counter', '{transition}', '', 'Changes of a mode, by what it became.'),
  reclaimed: family('atrion.permit.reclaimed', 'counter', '{permit}', '', 'Permits that were never released.'),
  clusterNodes: family('atrion.cluster.nodes', 'gauge', '{node}', '', 'Other nodes that reported lately.'),
  clusterDegraded: family(
    'atrion.cluster.degraded',
    'gauge',
    '{cluster}',
    '',
    '1 while the store of shared state is in trouble, or after a failure of the engine; else 0.',
  ),
  queueAge: family('atrion.process.queue_age', 'gauge', 's', '_seconds', 'Wait of the last request for the process.'),
  acceptQueue: family(
    'atrion.process.accept_queue',
    'gauge',
    's',
    '_seconds',
    'The part of that before its connection was accepted.',
  ),
  processUtilization: family(
    'atrion.process.utilization',
    'gauge',
    '1',
    '_ratio',
    'Utilization of the event loop, of late.',
  ),
  loopStalls: family('atrion.loop.stalls', 'counter', '{stall}', '', 'Times in which the event loop was blocked.'),
  loopStalled: family('atrion.loop.stalled', 'counter', 's', '_seconds', 'The sum of those times.'),
  loopGarbage: family('atrion.loop.gc', 'counter', 's', '_seconds', 'What collections of garbage took of those times.'),
  excused: family(
    'atrion.request.excused',
    'counter',
    's',
    '_seconds',
    'Time of calls that does not count in their latency, since the event loop was blocked.',
  ),
} as const satisfies Record<string, Family>

export type FamilyKey = keyof typeof FAMILIES

/** Names of labels by OpenTelemetry; those of Prometheus have underscores. */
export const LABELS = {
  route: 'atrion.route',
  tier: 'atrion.tier',
  result: 'atrion.result',
  limitedBy: 'atrion.limited_by',
  mode: 'atrion.mode',
  order: 'atrion.order',
} as const
