/**
 * The estimate of a call from its body, where that is JSON that can be read without waiting: the model, the input by the length of its
 * texts, the most output that it asks for.
 */

import { isBytes, isOfKind } from '../base/realm.js'
import { isRecord, own } from './json.js'
import { CHARACTERS_A_TOKEN } from './usage.js'

export interface BodyEstimate {
  readonly model: string | undefined
  readonly inputTokens: number | undefined
  /** The most output tokens of all its choices; undefined where the body does not bound them. */
  readonly maxTokens: number | undefined
  readonly isStream: boolean
}

const UNKNOWN: BodyEstimate = { model: undefined, inputTokens: undefined, maxTokens: undefined, isStream: false }

/** Longest body that is parsed, characters. A longer one is estimated by its length. */
const LONGEST_BODY = 4_194_304
/** Most values of a body that are looked at. */
const MOST_VALUES = 100_000
/** Tokens of a picture or a file, whose bytes stand in the text. */
const ATTACHMENT_TOKENS = 1600
const LONGEST_MODEL = 256
/** Tokens that a message takes beside its text. */
const MESSAGE_TOKENS = 4

/** A body as text; undefined where it is none that is there yet. */
function textOfBody(body: unknown): string | undefined {
  if (typeof body === 'string') return body
  if (isBytes(body)) return body.byteLength <= LONGEST_BODY ? new TextDecoder().decode(body) : undefined
  return isOfKind(body, 'ArrayBuffer') ? textOfBody(new Uint8Array(body as ArrayBuffer)) : undefined
}

/** Bytes as text: a long string without a space. */
const isAttachment = (text: string): boolean =>
  text.startsWith('data:') || (text.length > 2000 && !/\s/.test(text.slice(0, 2000)))

function tokensIn(value: unknown): number {
  let tokens = 0
  let characters = 0
  const waiting: unknown[] = [value]
  for (let seen = 0; waiting.length > 0 && seen < MOST_VALUES; seen++) {
    const one = waiting.pop()
    if (typeof one === 'string') {
      if (isAttachment(one)) tokens += ATTACHMENT_TOKENS
      else characters += one.length
    } else if (Array.isArray(one)) {
      for (const item of one.slice(0, MOST_VALUES)) waiting.push(item)
    } else if (isRecord(one)) {
      if (Object.hasOwn(one, 'role')) tokens += MESSAGE_TOKENS
      for (const [name, item] of Object.entries(one)) {
        if (name !== 'role' && name !== 'type') waiting.push(item)
      }
    }
  }
  return Math.ceil(tokens + characters / CHARACTERS_A_TOKEN)
}

const INPUTS = ['messages', 'input', 'prompt', 'system', 'instructions', 'tools', 'functions', 'response_format']
const BOUNDS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens']
/** Interfaces whose answers have no output tokens. */
const hasNoOutput = (body: Record<string, unknown>): boolean =>
  Object.hasOwn(body, 'input') &&
  (Object.hasOwn(body, 'encoding_format') || /embedding/.test(String(own(body, 'model'))))

const wholeOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.min(Math.ceil(value), 1e9) : undefined

/** Estimates a call by its body. Never throws. */
export function estimateBody(body: unknown): BodyEstimate {
  try {
    const text = textOfBody(body)
    if (text === undefined) return UNKNOWN
    if (text.length > LONGEST_BODY) {
      return { ...UNKNOWN, inputTokens: Math.ceil(text.length / CHARACTERS_A_TOKEN) }
    }
    const parsed: unknown = JSON.parse(text)
    if (!isRecord(parsed)) return UNKNOWN
    const model = own(parsed, 'model')
    const bounds = BOUNDS.map((name) => wholeOf(own(parsed, name))).filter((bound) => bound !== undefined)
    const choices = Math.max(1, wholeOf(own(parsed, 'n')) ?? 1)
    const most = hasNoOutput(parsed) ? 0 : bounds[0]
    const inputs = INPUTS.map((name) => own(parsed, name)).filter((value) => value !== undefined)
    return {
      model: typeof model === 'string' && model.length <= LONGEST_MODEL ? model : undefined,
      inputTokens: tokensIn(inputs),
      maxTokens: most === undefined ? undefined : most * choices,
      isStream: own(parsed, 'stream') === true,
    }
  } catch {
    return UNKNOWN
  }
}
