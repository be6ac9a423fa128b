/** Server-sent events: the `data` of each, as it is complete. A line is bounded: a longer one is left out, and the next is read again. */

/** Longest line, characters. */
const LONGEST_LINE = 1_048_576
/** Most characters of the lines of one event, and most lines. */
const LONGEST_EVENT = 4_194_304
const MOST_LINES = 65_536

export class EventReader {
  readonly #onData: (data: string) => void
  readonly #decoder = new TextDecoder()
  #rest = ''
  #isTooLong = false
  #data: string[] = []
  #characters = 0

  constructor(onData: (data: string) => void) {
    this.#onData = onData
  }

  push(chunk: Uint8Array): void {
    this.#read(this.#decoder.decode(chunk, { stream: true }))
  }

  /** Ends the stream: an event that lacks only its final empty line counts. */
  end(): void {
    this.#read(`${this.#decoder.decode()}\n\n`)
  }

  #read(text: string): void {
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      this.#add(text.slice(from, at))
      from = at + 1
      const line = this.#rest
      const wasTooLong = this.#isTooLong
      this.#rest = ''
      this.#isTooLong = false
      if (!wasTooLong) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line)
    }
    this.#add(text.slice(from))
  }

  #add(part: string): void {
    if (this.#isTooLong) return
    this.#rest += part
    if (this.#rest.length <= LONGEST_LINE) return
    this.#rest = ''
    this.#isTooLong = true
  }

  #line(line: string): void {
    if (line === '') {
      const data = this.#data
      this.#data = []
      this.#characters = 0
      if (data.length > 0) this.#onData(data.length === 1 ? data[0]! : data.join('\n'))
      return
    }
    if (!line.startsWith('data:')) return
    const data = line.slice(line[5] === ' ' ? 6 : 5)
    this.#characters += data.length
    if (this.#characters <= LONGEST_EVENT && this.#data.length < MOST_LINES) this.#data.push(data)
  }
}
