/** Deflated bytes, inflated at once (RFC 1951): runtimes that have this built in do so as a stream, or only in Node. */

/** Codes no longer than this, bits. */
const MAX_BITS = 15
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
/** In which order the lengths of the code of code lengths come. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** The number of codes of each length, and the symbols in the order of their codes. */
interface Code {
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
}

function codeOf(lengths: readonly number[]): Code {
  const counts = new Uint16Array(MAX_BITS + 1)
  for (const length of lengths) counts[length]!++
  counts[0] = 0
  const next = new Uint16Array(MAX_BITS + 2)
  for (let bits = 1; bits <= MAX_BITS; bits++) next[bits + 1] = next[bits]! + counts[bits]!
  const symbols = new Uint16Array(lengths.length)
  for (const [symbol, length] of lengths.entries()) if (length > 0) symbols[next[length]!++] = symbol
  return { counts, symbols }
}

const FIXED = (): [Code, Code] => [
  codeOf(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  codeOf(Array.from({ length: 30 }, () => 5)),
]

/**
 * @param bytes without a header
 * @param length of what comes out, bytes
 * @throws Error for bytes that are not deflated, or come to another length
 */
export function inflate(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length)
  let at = 0
  let bit = 0
  const bitsOf = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++, bit++) value |= ((bytes[bit >> 3]! >> (bit & 7)) & 1) << i
    return value
  }
  const symbolOf = ({ counts, symbols }: Code): number => {
    let code = 0
    let first = 0
    let index = 0
    for (let bits = 1; bits <= MAX_BITS; bits++, bit++) {
      const count = counts[bits]!
      code |= (bytes[bit >> 3]! >> (bit & 7)) & 1
      if (code - count < first) {
        bit++
        return symbols[index + code - first]!
      }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw new Error('not deflated')
  }
  const codes = (): [Code, Code] => {
    const [literals, distances, own] = [bitsOf(5) + 257, bitsOf(5) + 1, bitsOf(4) + 4]
    const ownLengths = Array.from({ length: 19 }, () => 0)
    for (let i = 0; i < own; i++) ownLengths[ORDER[i]!] = bitsOf(3)
    const ownCode = codeOf(ownLengths)
    const lengths: number[] = []
    while (lengths.length < literals + distances) {
      const symbol = symbolOf(ownCode)
      if (symbol < 16) lengths.push(symbol)
      else {
        const repeated = symbol === 16 ? lengths[lengths.length - 1]! : 0
        const times = symbol === 16 ? 3 + bitsOf(2) : symbol === 17 ? 3 + bitsOf(3) : 11 + bitsOf(7)
        for (let i = 0; i < times; i++) lengths.push(repeated)
      }
    }
    return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))]
  }
  for (let isLast = 0; isLast === 0; ) {
    isLast = bitsOf(1)
    const kind = bitsOf(2)
    if (kind === 0) {
      bit = (bit + 7) & ~7
      const size = bitsOf(16)
      out.set(bytes.subarray((bit >> 3) + 2, (bit >> 3) + 2 + size), at)
      at += size
      bit += 16 + 8 * size
      continue
    }
    const [literal, distance] = kind === 1 ? FIXED() : codes()
    for (let symbol = symbolOf(literal); symbol !== 256; symbol = symbolOf(literal)) {
      if (at > length || bit > 8 * bytes.length) throw new Error('not deflated')
      if (symbol < 256) out[at++] = symbol
      else {
        const size = LENGTH_BASE[symbol - 257]! + bitsOf(LENGTH_BITS[symbol - 257]!)
        const code = symbolOf(distance)
        const extra = Math.max(0, (code >> 1) - 1)
        const back = (code < 2 ? code : (2 + (code & 1)) << extra) + 1 + bitsOf(extra)
        for (let i = 0; i < size; i++, at++) out[at] = out[at - back]!
      }
    }
  }
  if (at !== length) throw new Error(`inflated to ${at} bytes, not ${length}`)
  return out
}
