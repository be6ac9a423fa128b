/** The ports of an instance that the adapters and the exporters of this package use. */

import type { Context } from './context.js'
import { copyTerms } from './engine/terms.js'
import type { AdapterPort } from './limiter/adapter-port.js'
import type { Limiter } from './limiter/limiter.js'
import type { TelemetryPort } from './limiter/telemetry-port.js'
import { resolveRouteProfile } from './options/resolve.js'
import type { Connection } from './replication/connection.js'
import type { OpenLoop } from './routes/open-loop.js'

/** Orders by the engine's numbers. */
const ORDERS = [null, 'open', 'closed'] as const

/** Paths that are not guarded, each with the number of those that asked for it. */
const exemptions = new WeakMap<Context, Map<string, number>>()

function exemptOf(context: Context): Map<string, number> {
  let paths = exemptions.get(context)
  if (paths === undefined) {
    paths = new Map()
    exemptions.set(context, paths)
  }
  return paths
}

export const adapterPort = (context: Context, limiter: Limiter): AdapterPort => ({
  abandoned: (routeId) => limiter.abandoned(routeId),
  exempt: exemptOf(context),
  refused: (routeId, refusal) => limiter.refused(routeId, refusal),
  calls: () => limiter.watch(),
  cancellable: (...request) => limiter.culprits.guard(...request),
  deadlineMs: (routeId) => context.routes.paramsOf(routeId).slo.maxAcceptableLatencyMs,
})

export const telemetryPort = (
  context: Context,
  limiter: Limiter,
  connection: Connection,
  openLoop: OpenLoop,
  configTrail: TelemetryPort['configTrail'],
): TelemetryPort => ({
  configTrail,
  watch: (watcher) => context.events.watchers.add(watcher),
  waitsOf: (routeId) => limiter.waitsOf(routeId),
  banShedsOf: (routeId) => limiter.banShedsOf(routeId),
  budgetShedsOf: (routeId) => limiter.budgetShedsOf(routeId),
  waitingOf: (routeId) => limiter.waitingOf(routeId),
  excusedMsOf: (routeId) => limiter.excusedMsOf(routeId, context.routes.find(routeId)),
  transitionsOf: (routeId) => context.events.transitionsOf(routeId),
  leastLimitOf: (routeId) => context.routes.paramsOf(routeId).limits.min,
  cluster: () => ({ nodes: connection.nodes, isDegraded: context.events.isDegraded }),
  providerCounts: () => connection.counts,
  paramsOf: (routeId) => (routeId === undefined ? context.routes.params : context.routes.paramsOf(routeId)),
  previewOf: (routeId, changes) =>
    resolveRouteProfile(changes, routeId === undefined ? context.routes.params : context.routes.paramsOf(routeId)),
  orderOf: (routeId) => ORDERS[context.routes.orderOf(routeId)] ?? null,
  isDryRun: () => openLoop.isDryRun,
  termsOf: (routeId) => openLoop.termsOf(routeId),
  lastTerms: () => copyTerms(context.engine.frame),
  exempt: (path) => {
    const paths = exemptOf(context)
    paths.set(path, (paths.get(path) ?? 0) + 1)
    let isExempt = true
    return () => {
      if (!isExempt) return
      isExempt = false
      const left = paths.get(path)! - 1
      if (left > 0) paths.set(path, left)
      else paths.delete(path)
    }
  },
})
