/** Forged reports: of a client that may publish on the channel of the nodes without being one. */

export const HEADER_BYTES = 20
/** The place of the number of reports. */
export const WORDS_AT = 12
const NODE_AT = 4

/** A message without a proof in which a node reports one route, by its key on the wire. */
export const forged = ({ node, key, scar, requests = 0xff }) => {
  const bytes = Buffer.alloc(HEADER_BYTES + 18)
  bytes.write('At')
  bytes.writeUInt8(1, 2)
  bytes.writeBigUInt64LE(node, NODE_AT)
  bytes.writeUInt32LE(1, WORDS_AT)
  key.copy(bytes, HEADER_BYTES)
  bytes.writeFloatLE(scar, HEADER_BYTES + 8)
  bytes.writeFloatLE(scar, HEADER_BYTES + 12)
  bytes.writeUInt8(1, HEADER_BYTES + 16)
  bytes.writeUInt8(requests, HEADER_BYTES + 17)
  return bytes
}

/** The key on the wire of the only route in a message; undefined for other messages. */
export const keyIn = (bytes) =>
  bytes.length === HEADER_BYTES + 18 && bytes.readUInt32LE(WORDS_AT) === 1
    ? Buffer.from(bytes.subarray(HEADER_BYTES, HEADER_BYTES + 8))
    : undefined
