/** Numbers and tables as text. */

/** Routes in a table. */
export const MOST_ROWS = 20

export const whole = (x: number): string => Math.round(x).toLocaleString('en-US')

/** A share in percent: never 100 where there is a rest, nor 0 where there is anything. */
export function percent(part: number, all: number): string {
  if (all === 0) return '–'
  const share = (100 * part) / all
  if (part === all || part === 0) return `${share} %`
  return `${Math.min(99.99, Math.max(0.01, share)).toFixed(share > 99.9 || share < 0.1 ? 2 : 1)} %`
}

export const duration = (ms: number): string =>
  Number.isNaN(ms)
    ? '–'
    : ms < 1
      ? `${ms.toFixed(2)} ms`
      : ms < 1000
        ? `${ms.toFixed(1)} ms`
        : `${(ms / 1000).toFixed(1)} s`

/** A table: the first column to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}
