/** Flat arrays that grow. */

/** A longer array that begins with the same cells. */
export function grown<T extends Int32Array | Float64Array>(from: T, length: number): T {
  const Cells = from.constructor as new (length: number) => T
  const to = new Cells(length)
  to.set(from as never)
  return to
}

/** The same rows with more cells each. */
export function widened(cells: Float64Array, from: number, to: number, empty: number): Float64Array {
  const rows = cells.length / from
  const wider = new Float64Array(rows * to).fill(empty)
  for (let row = 0; row < rows; row++) wider.set(cells.subarray(row * from, (row + 1) * from), row * to)
  return wider
}
