/** The name that a misspelt one was probably meant to be. */

/** Edits between two words: insertions, deletions, replacements. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, replaced))
    }
    row = next
  }
  return row[b.length]!
}

/** The name nearest to `word`; undefined where none is near. */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  const wanted = word.slice(0, 32).toLowerCase()
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1
  for (const name of names) {
    const edits = distance(wanted, name.toLowerCase())
    if (edits < bestDistance) {
      best = name
      bestDistance = edits
    }
  }
  return best
}

/** `; did you mean 'tier'?`, or nothing. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const name = nearest(word, names)
  return name === undefined ? '' : `; did you mean '${name}'?`
}
