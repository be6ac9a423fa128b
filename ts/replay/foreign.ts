/** Files that are often given in place of a recording or a log, by their first bytes: the message says what to do with them. */

import type { Source } from './blocks.js'

/** The longest file that is looked at for JSON, bytes. */
const LONGEST_JSON = 2 ** 20

const KINDS: readonly (readonly [readonly number[], string])[] = [
  [[0x1f, 0x8b], 'the file is compressed with gzip: unpack it first, with gunzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'the file is compressed with zstd: unpack it first, with zstd -d'],
  [[0x42, 0x5a, 0x68], 'the file is compressed with bzip2: unpack it first, with bunzip2'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'the file is compressed with xz: unpack it first, with unxz'],
  [[0x50, 0x4b, 0x03, 0x04], 'the file is a zip archive: unpack it first'],
  [[0xff, 0xfe], 'the file is UTF-16: save it as UTF-8 first'],
  [[0xfe, 0xff], 'the file is UTF-16: save it as UTF-8 first'],
]

/** The kind of a file, and the remedy; undefined where it is not known. */
export function foreignOf(source: Source): string | undefined {
  const head = source.read(0, 8).slice()
  for (const [bytes, message] of KINDS) if (bytes.every((byte, i) => head[i] === byte)) return message
  if (source.length > LONGEST_JSON) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(source.read(0, source.length)))
    return typeof value === 'object'
      ? 'the file is neither a recording of Atrion nor a log, but JSON: settings are given with --config'
      : undefined
  } catch {
    return undefined
  }
}
