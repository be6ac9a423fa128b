/** The checksum that the package compares a binary with: the counterpart of `ts/base/checksum.ts`, for what is written before that is built. */

const PRIME = 0x9e3779b1 | 0
const LANES = 4

export const checksum = (content) => {
  const bytes = new Uint8Array(content)
  const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2)
  const sums = [bytes.length | 0, 1, 2, 3]
  const end = words.length & ~(LANES - 1)
  for (let i = 0; i < end; i++) {
    const sum = Math.imul(sums[i % LANES] ^ words[i], PRIME)
    sums[i % LANES] = sum ^ (sum >>> 15)
  }
  for (let i = end; i < words.length; i++) sums[0] = Math.imul(sums[0] ^ words[i], PRIME)
  return sums.slice(1).reduce((all, one) => Math.imul(all ^ one, PRIME) ^ (all >>> 13), sums[0]) >>> 0
}

/** ... and an addon: the counterpart of `checksumOf` in `ts/addon/binary.ts`. */
export const checksumOfAddon = (content) => {
  const words = new Int32Array((content.length + 3) >> 2)
  new Uint8Array(words.buffer).set(content)
  let sum = content.length | 0
  for (const word of words) {
    sum = Math.imul(sum ^ word, PRIME)
    sum ^= sum >>> 15
  }
  return sum >>> 0
}
