/** `atrion/channels`: what happens in an instance on `node:diagnostics_channel`, for tools that listen there. */

import type { Channel, TracingChannel } from 'node:diagnostics_channel'
import type { Atrion } from '../atrion.js'
import { builtin } from '../base/builtin.js'
import type { AtrionEvents } from '../events/events.js'
import type { RunContext } from '../events/watchers.js'
import { portOf } from './_series.js'

/** Message of `atrion:shed`. */
export type ShedMessage = AtrionEvents['shed']
/** Message of `atrion:transition`. */
export type TransitionMessage = AtrionEvents['transition']
/** Message of the channels of `tracing:atrion.run`; `limitedBy` is set where the call was refused. */
export type RunMessage = RunContext

const { channel, tracingChannel } = builtin('node:diagnostics_channel')

/** Before Node 20.13 a tracing channel does not say it itself. */
const isHeard = ({ start, end, asyncStart, asyncEnd, error }: TracingChannel): boolean =>
  start.hasSubscribers ||
  end.hasSubscribers ||
  asyncStart.hasSubscribers ||
  asyncEnd.hasSubscribers ||
  error.hasSubscribers

const publisherOf =
  <T>(to: Channel) =>
  (message: T): void => {
    if (to.hasSubscribers) to.publish(message)
  }

/**
 * Publishes what happens in an instance: every refusal on `atrion:shed`, every change of a mode on `atrion:transition`, and every call of
 * `run()` on `tracingChannel('atrion.run')`. Nothing is published, nor made, where a channel has no subscriber. Outside Node it
 * does nothing.
 *
 * @returns a function that ends it
 * @throws ConfigError for what is no Atrion
 */
export function atrionChannels(atrion: Atrion): () => void {
  const port = portOf(atrion)
  if (typeof channel !== 'function') return () => {}
  const runs = typeof tracingChannel === 'function' ? tracingChannel('atrion.run') : undefined
  return port.watch({
    shed: publisherOf<ShedMessage>(channel('atrion:shed')),
    transition: publisherOf<TransitionMessage>(channel('atrion:transition')),
    ...(runs !== undefined && {
      run: <T>(context: RunContext, work: () => Promise<T>): Promise<T> =>
        isHeard(runs) ? (runs.tracePromise(work as never, context as never) as Promise<T>) : work(),
    }),
  })
}
