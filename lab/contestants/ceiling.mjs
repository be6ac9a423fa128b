import { Fifo } from '../driver/heap.mjs'
import { TIERS } from '../driver/tiers.mjs'

/**
 * A waiting room that knows what no real controller knows: how many requests the plant can work on at once, from the
 * first moment and through every change. A request goes to the plant only when it will be worked on at once, so nothing ever
 * queues behind it; the others wait outside in the order of the policy. It does not know how long a service is going to take.
 * @param {{ byTier: boolean, newestFirst: boolean }} policy `byTier`: higher tiers first; `newestFirst`: within a tier the
 * youngest first, else the oldest that can still be answered in time by a service of mean length
 */
function knowingRoom({ byTier, newestFirst }) {
  return ({ clock, patienceMs, slotsAt, serviceMs }) => {
    const longestWaitMs = newestFirst ? patienceMs : Math.max(0, patienceMs - serviceMs)
    const queues = (byTier ? TIERS : ['all']).map(() => (newestFirst ? [] : new Fifo()))
    let inFlight = 0
    let waiting = 0

    const permit = {
      end() {
        inFlight -= 1
        dispatch()
      },
    }

    /** The next of a queue that can still make it; those that cannot are refused on the way. */
    const nextOf = (queue) => {
      while (queue.length > 0) {
        const next = newestFirst ? queue.pop() : queue.shift()
        waiting -= 1
        if (clock.now() - next.sinceMs <= longestWaitMs) return next
        next.decide(null)
      }
      return undefined
    }

    function dispatch() {
      while (waiting > 0 && inFlight < slotsAt(clock.now())) {
        let next
        for (const queue of queues) {
          next = nextOf(queue)
          if (next !== undefined) break
        }
        if (next === undefined) return
        inFlight += 1
        next.decide(permit)
      }
    }

    return {
      name: 'priority queue that knows the servers',
      settings: { byTier, newestFirst },
      admit({ tier }) {
        const nowMs = clock.now()
        if (waiting > 0) dispatch()
        if (inFlight < slotsAt(nowMs)) {
          inFlight += 1
          return permit
        }
        // Decides within the event that frees a server: a promise would only do so after it.
        return {
          whenDecided(decide) {
            waiting += 1
            queues[byTier ? TIERS.indexOf(tier) : 0].push({ sinceMs: nowMs, decide })
          },
        }
      },
    }
  }
}

const policy = (id, options) => ({ id, shared: true, create: knowingRoom(options) })

/** The references for every controller: the best of these is the ceiling. */
export const CEILINGS = [
  policy('ceiling-oldest', { byTier: false, newestFirst: false }),
  policy('ceiling-newest', { byTier: false, newestFirst: true }),
  policy('ceiling-tiers-oldest', { byTier: true, newestFirst: false }),
  policy('ceiling-tiers-newest', { byTier: true, newestFirst: true }),
]

/** On the scoreboard, to check the ceiling: higher tiers first, in the better order within a tier. */
export const ceiling = {
  id: 'ceiling',
  reference: true,
  variants: () => CEILINGS.filter(({ id }) => id.startsWith('ceiling-tiers')),
}
