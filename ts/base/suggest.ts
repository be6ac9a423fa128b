/** The nearest right name to one that is wrong: for "did you mean …?". */

import { ConfigError } from './errors.js'

/** Names longer than this are not taken for misspelt. */
const LONGEST_NAME = 40

/** Edits from one to the other: inserted, deleted, replaced characters, and neighbours that changed places. */
function editsBetween(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) edits = Math.min(edits, before[j - 2]! + 1)
      row.push(edits)
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/** The name that `given` was probably meant to be; undefined when none is near. */
export function nearestName(given: unknown, names: Iterable<string>): string | undefined {
  if (typeof given !== 'string' || given.length > LONGEST_NAME) return undefined
  const wrong = given.toLowerCase().replace(/[-_ ]/g, '')
  if (wrong === '') return undefined
  let nearest: string | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (const name of names) {
    const right = name.toLowerCase().replace(/[-_ ]/g, '')
    const isPart = wrong.length >= 3 && (right.startsWith(wrong) || wrong.startsWith(right))
    const edits = Math.min(editsBetween(wrong, right), isPart ? 1.5 : Number.POSITIVE_INFINITY)
    if (edits < fewest && edits <= Math.max(1, Math.floor(Math.max(right.length, wrong.length) / 3))) {
      nearest = name
      fewest = edits
    }
  }
  return nearest
}

/** The error for a name that there is not. @param field the option, as a path @param otherwise the suggestion where no name is near */
export function unknownName(field: string, given: unknown, names: readonly string[], otherwise?: string): ConfigError {
  const nearest = nearestName(given, names) ?? otherwise
  return new ConfigError(field, `one of ${names.join(', ')}`, given, { nearest })
}
