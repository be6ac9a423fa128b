/** The place where a request comes to the options of its route: what could not be known when it was admitted counts from there. */

import type { IncomingMessage } from 'node:http'
import type { Permit } from '../limiter/types.js'
import type { AcquireParams } from './_acquire-params.js'
import { isThenable } from './_resolve.js'
import { lastTracker, noteRefused } from './_response-tracker.js'
import { type AdapterRouteOptions, type Answers, answersOf, optionsLeft } from './_route-options.js'
import { lastWebTracker, noteWebRefused } from './_web-response-tracker.js'

/** A refusal, and what answers it as the guard that let the request in was given. */
export interface RouteRefusal {
  readonly permit: Permit
  readonly refuse: ((permit: Permit) => unknown) | undefined
}

/** A tracker of either kind. */
interface Tracker {
  readonly outer: Tracker | undefined
  readonly refuse: ((permit: Permit) => unknown) | undefined
  readonly foreseen: AdapterRouteOptions<unknown> | undefined
  refine(known: string | undefined, given: Partial<AcquireParams>): Permit | undefined
  dismiss(): void
}

/** Tells every guard that the request has passed. The last one begins. */
function tell(last: Tracker, answers: Answers | undefined): RouteRefusal | undefined {
  for (let tracker: Tracker | undefined = last; tracker !== undefined; tracker = tracker.outer) {
    if (answers === undefined) tracker.dismiss()
    else {
      const permit = tracker.refine(answers.route, answers)
      if (permit !== undefined) return { permit, refuse: tracker.refuse }
    }
  }
  return undefined
}

function arrive<Request>(
  last: Tracker | undefined,
  middleware: object,
  request: Request,
  options: AdapterRouteOptions<Request>,
  noteRefusal: (permit: Permit) => void,
): RouteRefusal | undefined | Promise<RouteRefusal | undefined> {
  const left = last && optionsLeft(middleware, options, last.foreseen)
  if (last === undefined || left === undefined) return undefined
  const settle = (answers: Answers | undefined): RouteRefusal | undefined => {
    const refusal = tell(last, answers)
    if (refusal !== undefined) noteRefusal(refusal.permit)
    return refusal
  }
  const answers = answersOf(left, request)
  return isThenable(answers) ? (answers as Promise<Answers | undefined>).then(settle) : settle(answers as Answers)
}

/** A request comes to its route's options. Returns the refusal under them; undefined where it goes on. Never rejects. */
export const arriveOnNode = <Request>(
  node: IncomingMessage,
  middleware: object,
  request: Request,
  options: AdapterRouteOptions<Request>,
): RouteRefusal | undefined | Promise<RouteRefusal | undefined> =>
  arrive(lastTracker(node), middleware, request, options, (permit) => noteRefused(node, permit))

/** The same for a request of fetch. */
export const arriveOnWeb = <Request>(
  web: object,
  middleware: object,
  request: Request,
  options: AdapterRouteOptions<Request>,
): RouteRefusal | undefined | Promise<RouteRefusal | undefined> =>
  arrive(lastWebTracker(web), middleware, request, options, (permit) => noteWebRefused(web, permit))
