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

/** Multiples of the places of the plant that a search tries. */
const SHARES = [1, 1.3, 1.7, 2.5, 4, 8]

const searched = (nominalInFlight, shares = SHARES) => [
  ...new Set(shares.map((share) => Math.ceil(share * nominalInFlight))),
]

/**
 * The best that a limit which never moves can do: the arena tries these limits over the very scenario, with hindsight,
 * and enters the one with the highest score. No operator has that knowledge.
 */
export const bestFixed = {
  id: 'fixed',
  variants: (nominalInFlight) =>
    searched(nominalInFlight).map((limit) => ({
      id: 'fixed',
      create: () => fixedLimit(limit, 'best fixed limit (by search)'),
    })),
}

/** Share of the places that a tier leaves free for those above it (trunk reservation). */
const LEAVES_FREE = { critical: 0, high: 0.1, normal: 0.2, low: 0.3, bulk: 0.4 }

/** The same with places kept for higher tiers, as telephone exchanges keep trunks; its limit is searched too. */
export const reserved = {
  id: 'reserved',
  variants: (nominalInFlight) =>
    searched(nominalInFlight, [1.3, 2, 4, 10]).map((limit) => ({
      id: 'reserved',
      create: () => {
        let inFlight = 0
        const permit = {
          end() {
            inFlight -= 1
          },
        }
        return {
          name: 'best fixed limit with reservations (by search)',
          settings: { limit, leavesFree: LEAVES_FREE },
          admit({ tier }) {
            if (inFlight >= Math.max(1, limit * (1 - LEAVES_FREE[tier]))) return null
            inFlight += 1
            return permit
          },
        }
      },
    })),
}

/** Negative control: a limit that never moves, far from any the plant would want. */
export const neverMoves = {
  id: 'never-moves',
  control: true,
  create: ({ capacityPerS, deadlineMs }) =>
    fixedLimit(4 * halfDeadlineInFlight(capacityPerS, deadlineMs), 'limit that never moves'),
}
