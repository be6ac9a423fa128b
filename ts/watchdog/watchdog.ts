/**
 * The watchdog of an instance. What its thread's event loop was blocked for is no evidence of the services that it calls: their answers
 * waited in the loop.
 *
 * | of a call (`run`, `atrion/undici`) that a stall of 50 ms or more overlapped | |
 * |---|---|
 * | an answer | the stall does not count in its latency, down to the route's own service time; unless stalls are common: then the loop is what is short |
 * | a time limit that ran out while the loop was blocked | the call gets the time that it lost (`timeoutMs`), or says nothing of its route (limits of the work's own) |
 * | any other failure | counts |
 *
 * Of every route, the time of a stall counts as no silence. Requests of servers are not excused: for them the loop's queue is what is
 * short. On the other engines, with a custom clock, and where the host does not export libuv's functions there is none.
 */

import type { Context } from '../context.js'
import type { LoopPort } from '../engine/loop-port.js'
import type { LoopMetrics, Stall } from '../events/stall.js'
import type { WatchdogWish } from '../options/watchdog.js'
import { type EventLoop, watchedLoop } from './event-loop.js'
import { stackLookout } from './stack.js'

export class Watchdog {
  readonly #loop: EventLoop
  readonly #port: LoopPort
  /** The loop holds it weakly: it lives as long as this. */
  readonly #listener: (stall: Stall) => void

  constructor(loop: EventLoop, port: LoopPort, context: Context, { stallMs, stack }: WatchdogWish) {
    this.#loop = loop
    this.#port = port
    const lookout = stack ? stackLookout(port.file, port.number()) : undefined
    const report = (stall: Stall): void => context.events.emit('stall', stall)
    this.#listener = (stall) => {
      if (stall.durationMs < stallMs) return
      if (lookout === undefined) report(stall)
      else lookout.withStack(stall, (frames) => report(frames === undefined ? stall : { ...stall, stack: frames }))
    }
    loop.add(this.#listener)
  }

  metrics(): LoopMetrics {
    return this.#loop.metrics()
  }

  /** The time of a permit that fails now in which the loop stalled, if it stalled just now, ms. */
  stalledMs(permit: number): number {
    return this.#port.stalledMs(permit)
  }
}

/** The watchdog of an instance that wishes for one; undefined where there can be none. */
export function createWatchdog(context: Context, wish: WatchdogWish): Watchdog | undefined {
  const port = context.engine.loop
  if (port === undefined || context.clock.isHost) return undefined
  const loop = watchedLoop(port)
  return loop !== undefined && port.attach() ? new Watchdog(loop, port, context, wish) : undefined
}
