// Functions of time as data: a load, a speed or an error rate over the seconds of a scenario.

/**
 * @typedef {((tMs: number) => number) & { max: number, breaksMs: number[] }} Curve
 * `max` bounds the curve from above (for thinning); `breaksMs` are the times at which it jumps or bends.
 */

const finish = (at, points) =>
  Object.assign(at, { max: Math.max(...points.map((p) => p[1])), breaksMs: points.map((p) => p[0] * 1000) })

/**
 * Piecewise constant: each value holds from its second until the next one's.
 * @param {...[number, number]} points [second, value], seconds rising; before the first point its value holds
 * @returns {Curve}
 */
export function steps(...points) {
  return finish((tMs) => {
    let value = points[0][1]
    for (const [second, next] of points) {
      if (tMs < second * 1000) break
      value = next
    }
    return value
  }, points)
}

/**
 * Piecewise linear between the points, constant outside them.
 * @param {...[number, number]} points [second, value], seconds rising
 * @returns {Curve}
 */
export function ramp(...points) {
  return finish((tMs) => {
    const s = tMs / 1000
    if (s <= points[0][0]) return points[0][1]
    for (let i = 1; i < points.length; i += 1) {
      const [s1, v1] = points[i]
      if (s < s1) {
        const [s0, v0] = points[i - 1]
        return v0 + ((v1 - v0) * (s - s0)) / (s1 - s0)
      }
    }
    return points[points.length - 1][1]
  }, points)
}

/**
 * One value for ever.
 * @param {number} value
 */
export const flat = (value) => steps([0, value])

/**
 * A wave, such as a day in small: low + (high − low)·(1 − cos)/2.
 * @param {number} low
 * @param {number} high
 * @param {number} periodS
 * @returns {Curve}
 */
export function wave(low, high, periodS) {
  const at = (tMs) => low + ((high - low) * (1 - Math.cos((2 * Math.PI * tMs) / (periodS * 1000)))) / 2
  return Object.assign(at, { max: high, breaksMs: [0] })
}
