/** A count of requests in flight against a number that never moves. */
export function fixedLimit(limit, name) {
  let inFlight = 0
  const permit = {
    end() {
      inFlight -= 1
    },
  }
  return {
    name,
    settings: { limit },
    admit() {
      if (inFlight >= limit) return null
      inFlight += 1
      return permit
    },
  }
}

/** In-flight requests that fill the deadline: by Little's law, capacity × half of the deadline. */
export const halfDeadlineInFlight = (capacityPerS, deadlineMs) =>
  Math.max(1, Math.round((capacityPerS * deadlineMs) / 2000))

/**
 * The best that a limit which never moves can do: the arena tries these limits over the very scenario, with hindsight,
 * and enters the one with the highest score. No operator has that knowledge.
 */
export const bestFixed = {
  id: 'fixed',
  /** @param {{ workers?: number }} plant */
  candidates: (plant) => [1, 1.3, 1.7, 2.5, 4, 8].map((share) => Math.ceil(share * (plant.workers ?? 1))),
  withLimit: (limit) => ({
    id: 'fixed',
    create: () => fixedLimit(limit, 'best fixed limit (by search)'),
  }),
}

/** Negative control: a limit that never moves, far from any the plant would want. */
export const neverMoves = {
  id: 'never-moves',
  control: true,
  create: ({ capacityPerS, deadlineMs }) =>
    fixedLimit(4 * halfDeadlineInFlight(capacityPerS, deadlineMs), 'limit that never moves'),
}
