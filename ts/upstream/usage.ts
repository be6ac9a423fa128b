/**
 * The usage that an answer reports: of JSON as a whole, of a stream as it comes. Both providers state the exact numbers at a stream's
 * end; until then the output is counted by its text, so that a limit ends a stream where it is reached and not when it is over.
 */

import { isRecord, own } from './json.js'
import { EventReader } from './sse.js'

/** Tokens of a call. */
export interface TokenUsage {
  /** All input tokens, those from a cache among them. */
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  /** Of the input tokens, those that came from a cache. */
  readonly cachedInputTokens: number | undefined
}

const NOTHING: TokenUsage = { inputTokens: undefined, outputTokens: undefined, cachedInputTokens: undefined }

/** Characters of text a token where nothing else is known: a little less than usual, so that it is rather too many tokens. */
export const CHARACTERS_A_TOKEN = 3.5
/** The same of a stream's output, until the model's own is learnt. */
const OUTPUT_CHARACTERS_A_TOKEN = 4
const LEAST_CHARACTERS = 1
const MOST_CHARACTERS = 16
/** Shortest output by which a model's is learnt, tokens, and the weight of one. */
const FEWEST_TOKENS = 16
const LEARNS = 0.2
const MOST_MODELS = 64

/** Characters a token by model, learnt from streams that reported their tokens. Of at most 64 models. */
export class TokenLengths {
  readonly #lengths = new Map<string, number>()

  of(model: string | undefined): number {
    return this.#lengths.get(model ?? '') ?? OUTPUT_CHARACTERS_A_TOKEN
  }

  learn(model: string | undefined, characters: number, tokens: number): void {
    if (!(tokens >= FEWEST_TOKENS) || characters === 0) return
    const name = model ?? ''
    const length = Math.min(Math.max(characters / tokens, LEAST_CHARACTERS), MOST_CHARACTERS)
    const known = this.#lengths.get(name)
    this.#lengths.delete(name)
    this.#lengths.set(name, known === undefined ? length : known + LEARNS * (length - known))
    if (this.#lengths.size > MOST_MODELS) this.#lengths.delete(this.#lengths.keys().next().value!)
  }
}
/** Longest JSON answer that is kept to be read, bytes. A longer one has no usage. */
const LONGEST_JSON = 8_388_608
/** Largest number of tokens that is believed. */
const MOST_TOKENS = 1e12

const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= MOST_TOKENS ? value : undefined

/** A `usage` object of any of the providers' interfaces. */
export function usageIn(usage: unknown): TokenUsage {
  if (!isRecord(usage)) return NOTHING
  const fresh = countOf(own(usage, 'prompt_tokens')) ?? countOf(own(usage, 'input_tokens'))
  const outputTokens = countOf(own(usage, 'completion_tokens')) ?? countOf(own(usage, 'output_tokens'))
  // Anthropic counts what it wrote to its cache and read of it beside the rest; OpenAI states what of the rest it was.
  const written = countOf(own(usage, 'cache_creation_input_tokens')) ?? 0
  const read = countOf(own(usage, 'cache_read_input_tokens'))
  const details = own(usage, 'prompt_tokens_details') ?? own(usage, 'input_tokens_details')
  const cachedInputTokens = read ?? (isRecord(details) ? countOf(own(details, 'cached_tokens')) : undefined)
  const inputTokens = fresh === undefined ? undefined : fresh + written + (read ?? 0)
  return { inputTokens, outputTokens, cachedInputTokens }
}

/** The usage of a whole answer: at its top, or in the `response` or `message` that an event carries. */
function usageOfAnswer(answer: unknown): TokenUsage {
  if (!isRecord(answer)) return NOTHING
  for (const holder of [answer, own(answer, 'response'), own(answer, 'message')]) {
    if (!isRecord(holder)) continue
    const usage = usageIn(own(holder, 'usage'))
    if (usage.inputTokens !== undefined || usage.outputTokens !== undefined) return usage
  }
  return NOTHING
}

const lengthOf = (value: unknown): number => (typeof value === 'string' ? value.length : 0)

/** Characters that an event adds to the output: of chat completions, of responses, of messages. */
function charactersIn(event: Record<string, unknown>): number {
  const delta = own(event, 'delta')
  if (typeof delta === 'string') return delta.length
  if (isRecord(delta)) {
    return lengthOf(own(delta, 'text')) + lengthOf(own(delta, 'thinking')) + lengthOf(own(delta, 'partial_json'))
  }
  const choices = own(event, 'choices')
  if (!Array.isArray(choices)) return 0
  let characters = 0
  for (const choice of choices.slice(0, 128)) {
    const part = isRecord(choice) ? own(choice, 'delta') : undefined
    if (!isRecord(part)) continue
    characters +=
      lengthOf(own(part, 'content')) + lengthOf(own(part, 'reasoning_content')) + lengthOf(own(part, 'refusal'))
    const calls = own(part, 'tool_calls')
    if (!Array.isArray(calls)) continue
    for (const call of calls.slice(0, 128)) {
      const called = isRecord(call) ? own(call, 'function') : undefined
      if (isRecord(called)) characters += lengthOf(own(called, 'name')) + lengthOf(own(called, 'arguments'))
    }
  }
  return characters
}

/** Reads the usage of one answer from its bytes. Never throws. */
export class UsageReader {
  readonly #events: EventReader | undefined
  /** The beginning of an answer that is no stream: copied, since a chunk of one byte may hold a buffer of 64 KiB. */
  #body = new Uint8Array(0)
  #bytes = 0
  #inputTokens: number | undefined
  #cachedInputTokens: number | undefined
  /** As reported; until then by characters. */
  #outputTokens: number | undefined
  #characters = 0
  readonly #lengths: TokenLengths
  readonly #model: string | undefined
  #isFinal = false
  #error: unknown

  /** @param contentType of the answer @param lengths that are known, and learnt by this answer */
  constructor(contentType: string | null | undefined, lengths = new TokenLengths(), model?: string) {
    this.#lengths = lengths
    this.#model = model
    const type = (contentType ?? '').toLowerCase()
    if (type.includes('text/event-stream')) this.#events = new EventReader((data) => this.#event(data))
  }

  get isStream(): boolean {
    return this.#events !== undefined
  }

  /** The error in a stream, unchanged; undefined if there was none. */
  get error(): unknown {
    return this.#error
  }

  /** The usage so far. */
  get usage(): TokenUsage {
    const counted = this.#characters > 0 ? Math.ceil(this.#characters / this.#lengths.of(this.#model)) : undefined
    const reported = this.#outputTokens
    const outputTokens = this.#isFinal || counted === undefined ? reported : Math.max(counted, reported ?? 0)
    return { inputTokens: this.#inputTokens, outputTokens, cachedInputTokens: this.#cachedInputTokens }
  }

  /** Takes bytes of the body; anything else, which a body of the caller's own may give, is passed over. @returns whether the usage so far has changed */
  push(chunk: Uint8Array): boolean {
    if (!ArrayBuffer.isView(chunk)) return false
    if (this.#events === undefined) {
      this.#keep(chunk)
      return false
    }
    const before = this.#characters + (this.#outputTokens ?? 0) + (this.#inputTokens ?? 0)
    this.#events.push(chunk)
    return this.#characters + (this.#outputTokens ?? 0) + (this.#inputTokens ?? 0) !== before
  }

  /** The body is over. */
  end(): TokenUsage {
    if (this.#events !== undefined) {
      this.#events.end()
      if (this.#isFinal) this.#lengths.learn(this.#model, this.#characters, this.#outputTokens ?? 0)
    } else if (this.#body.length > 0) {
      this.#take(usageOfAnswer(parsed(new TextDecoder().decode(this.#body.subarray(0, this.#bytes)))), true)
      this.#body = new Uint8Array(0)
    }
    return this.usage
  }

  #keep(chunk: Uint8Array): void {
    const end = this.#bytes + chunk.byteLength
    if (end > LONGEST_JSON) {
      this.#bytes = Number.POSITIVE_INFINITY
      this.#body = new Uint8Array(0)
      return
    }
    if (end > this.#body.length) {
      const wider = new Uint8Array(Math.max(end, 2 * this.#body.length))
      wider.set(this.#body)
      this.#body = wider
    }
    this.#body.set(chunk, this.#bytes)
    this.#bytes = end
  }

  #event(data: string): void {
    const event = parsed(data)
    if (!isRecord(event)) return
    if (own(event, 'type') === 'error' || isRecord(own(event, 'error'))) this.#error ??= event
    this.#characters += charactersIn(event)
    const type = own(event, 'type')
    // The first event of a message states about one output token, which is not the final count.
    this.#take(usageOfAnswer(event), type !== 'message_start' && type !== 'response.created')
  }

  #take({ inputTokens, outputTokens, cachedInputTokens }: TokenUsage, isFinal: boolean): void {
    this.#inputTokens = inputTokens ?? this.#inputTokens
    this.#cachedInputTokens = cachedInputTokens ?? this.#cachedInputTokens
    if (outputTokens === undefined) return
    this.#outputTokens = outputTokens
    this.#isFinal ||= isFinal
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
