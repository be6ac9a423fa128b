/**
 * @typedef {object} Claim what a scenario says will be seen
 * @property {string} says in words
 * @property {string} figure path of a figure: who, then what (`atrion.transitions`)
 * @property {'<=' | '>=' | '<' | '>' | '='} is
 * @property {number} [value]
 * @property {string} [than] path of the figure to compare with, instead of a value
 * @property {boolean} [headline] one of the results that Atrion is known for
 */

const COMPARE = {
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '=': (a, b) => a === b,
}

const at = (figures, path) => path.split('.').reduce((part, name) => part?.[name], figures)

/**
 * Holds what was seen against what was claimed. A figure that is missing meets nothing.
 * @param {Claim[]} claims
 * @param {Record<string, Record<string, number>>} figures
 */
export function judge(claims, figures) {
  return claims.map((claim) => {
    const got = at(figures, claim.figure)
    const target = claim.than === undefined ? claim.value : at(figures, claim.than)
    return { ...claim, got, target, met: typeof got === 'number' && COMPARE[claim.is](got, target) }
  })
}
