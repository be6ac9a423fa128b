import { TIERS } from '../driver/tiers.mjs'

/**
 * Controlled delay with adaptive LIFO, as published by Facebook ("Fail at Scale"), with a queue for each tier, highest first:
 * a request may wait for N; once its queue has not been empty for N, only for M, and the youngest goes first. It knows how
 * many the plant can work on at once. N is half of the deadline, M a tenth of N, as CoDel's interval and target are.
 */
export const codel = {
  id: 'codel',
  create({ clock, deadlineMs, slotsAt }) {
    const settings = { intervalMs: deadlineMs / 2, targetMs: deadlineMs / 20 }
    const queues = TIERS.map(() => ({ waiting: [], head: 0, emptyMs: 0 }))
    let inFlight = 0

    const permit = {
      end() {
        inFlight -= 1
        dispatch()
      },
    }

    /** The next of a queue that has not waited too long; those that have are refused on the way. */
    function nextOf(queue, nowMs) {
      const standing = nowMs - queue.emptyMs > settings.intervalMs
      const longestMs = standing ? settings.targetMs : settings.intervalMs
      while (queue.head < queue.waiting.length && nowMs - queue.waiting[queue.head].sinceMs > longestMs) {
        queue.waiting[queue.head].decide(null)
        queue.head += 1
      }
      let next
      if (queue.head < queue.waiting.length) next = standing ? queue.waiting.pop() : queue.waiting[queue.head++]
      if (queue.head >= queue.waiting.length) {
        queue.waiting = []
        queue.head = 0
        queue.emptyMs = nowMs
      }
      return next
    }

    function dispatch() {
      const nowMs = clock.now()
      for (const queue of queues) {
        while (queue.waiting.length > 0 && inFlight < slotsAt(nowMs)) {
          const next = nextOf(queue, nowMs)
          if (next === undefined) break
          inFlight += 1
          next.decide(permit)
        }
      }
    }

    return {
      name: 'CoDel with adaptive LIFO, by tier',
      settings,
      admit({ tier }) {
        const nowMs = clock.now()
        dispatch()
        if (inFlight < slotsAt(nowMs)) {
          inFlight += 1
          return permit
        }
        return {
          whenDecided(decide) {
            const queue = queues[TIERS.indexOf(tier)]
            if (queue.waiting.length === 0) queue.emptyMs = nowMs
            queue.waiting.push({ sinceMs: nowMs, decide })
          },
        }
      },
    }
  },
}
