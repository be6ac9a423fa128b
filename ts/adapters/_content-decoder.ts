/**
 * A body in the codings that its `content-encoding` states, decoded as it comes. Undici hands answers on as they were sent, and its fetch
 * asks for compressed ones.
 */

import type { Transform } from 'node:stream'
import { builtin } from '../base/builtin.js'

/** Most codings of one body, one within another. */
const MOST_CODINGS = 4
/** Most bytes that wait to be decoded. A body of which more wait is given up. */
const MOST_WAITING_BYTES = 8_388_608
/** The low half of the first byte of a zlib header. Some servers send `deflate` without one. */
const ZLIB_METHOD = 8

type Make = (first: number) => Transform

/** A way to decode each coding that this Node knows. */
function makerOf(coding: string): Make | undefined {
  const zlib = builtin('node:zlib') as typeof import('node:zlib') & { createZstdDecompress?: () => Transform }
  // A body that was cut off gives what came of it.
  const flush = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH }
  if (coding === 'gzip' || coding === 'x-gzip') return () => zlib.createGunzip(flush)
  if (coding === 'deflate') {
    return (first) => ((first & 15) === ZLIB_METHOD ? zlib.createInflate(flush) : zlib.createInflateRaw(flush))
  }
  const { BROTLI_OPERATION_FLUSH } = zlib.constants
  const brotli = { flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH }
  if (coding === 'br') return () => zlib.createBrotliDecompress(brotli)
  if (coding === 'zstd' && typeof zlib.createZstdDecompress === 'function') return () => zlib.createZstdDecompress!()
  return undefined
}

/** Decodes one coding. Never throws: a body that is damaged ends where it is. */
class CodingStage {
  readonly #make: Make
  readonly #onData: (chunk: Uint8Array) => void
  readonly #onEnd: () => void
  #stream: Transform | undefined
  /** Nothing more is decoded. */
  #isOver = false
  /** Nothing more is pushed. */
  #isEnded = false

  constructor(make: Make, onData: (chunk: Uint8Array) => void, onEnd: () => void) {
    this.#make = make
    this.#onData = onData
    this.#onEnd = onEnd
  }

  push(chunk: Uint8Array): void {
    if (this.#isOver || chunk.byteLength === 0) return
    const stream = this.#stream ?? this.#begin(chunk[0]!)
    // A copy: it is decoded later, when its owner may have given the memory to another.
    stream.write(Buffer.from(chunk))
    if (stream.writableLength > MOST_WAITING_BYTES) this.#over()
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#isOver || this.#stream === undefined) this.#onEnd()
    else this.#stream.end()
  }

  #begin(first: number): Transform {
    const stream = this.#make(first)
    stream.on('data', (decoded: Uint8Array) => {
      if (!this.#isOver) this.#onData(decoded)
    })
    stream.once('end', () => this.#over())
    stream.on('error', () => this.#over())
    this.#stream = stream
    return stream
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stream?.destroy()
    if (this.#isEnded) this.#onEnd()
  }
}

/** Takes a body as it was sent. */
export interface ContentDecoder {
  push(chunk: Uint8Array): void
  /** No more comes. What was pushed is still decoded. */
  end(): void
}

/**
 * A decoder of a body; undefined where it has no coding, or one that is not known.
 *
 * @param encoding the header `content-encoding`
 * @param onEnd called once, after the last data
 */
export function contentDecoder(
  encoding: unknown,
  onData: (chunk: Uint8Array) => void,
  onEnd: () => void,
): ContentDecoder | undefined {
  const codings = String(encoding ?? '')
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
  if (codings.length === 0 || codings.length > MOST_CODINGS) return undefined
  const makers = codings.map(makerOf)
  // The coding that was applied last is removed first.
  return makers.reduce<ContentDecoder | undefined>(
    (next, make) =>
      next &&
      make &&
      new CodingStage(
        make,
        (chunk) => next.push(chunk),
        () => next.end(),
      ),
    { push: onData, end: onEnd },
  )
}
