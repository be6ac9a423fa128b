/** A checksum of a file that Node needs no further module for: those are loaded by what they cost, and a start counts every millisecond. */

const PRIME = 0x9e3779b1 | 0

/**
 * A checksum of all whole words of 32 bits, little-endian, and of the length: four sums side by side, each of every fourth word. A change
 * of a single word always changes it. It is no protection from intent.
 */
export function checksum(bytes: Uint8Array): number {
  const isAligned = bytes.byteOffset % 4 === 0
  const { buffer, byteOffset, length } = isAligned ? bytes : bytes.slice()
  const words = new Int32Array(buffer, byteOffset, length >> 2)
  let [a, b, c, d] = [length | 0, 1, 2, 3]
  const end = words.length & ~3
  for (let i = 0; i < end; i += 4) {
    a = Math.imul(a ^ words[i]!, PRIME)
    b = Math.imul(b ^ words[i + 1]!, PRIME)
    c = Math.imul(c ^ words[i + 2]!, PRIME)
    d = Math.imul(d ^ words[i + 3]!, PRIME)
    // A product's high bits do not come back to its low ones by themselves.
    a ^= a >>> 15
    b ^= b >>> 15
    c ^= c >>> 15
    d ^= d >>> 15
  }
  for (let i = end; i < words.length; i++) a = Math.imul(a ^ words[i]!, PRIME)
  const sum = [b, c, d].reduce((all, one) => Math.imul(all ^ one, PRIME) ^ (all >>> 13), a)
  return sum >>> 0
}
