// The dialects of providers of language models: quota headers, errors, answers, streams.
const KEBAB = { requests: 'requests', tokens: 'tokens', inputTokens: 'input-tokens', outputTokens: 'output-tokens' }

/** A duration as Go prints it: 6m0s, 1.5s, 12ms. */
const goDuration = (ms) => {
  const whole = Math.ceil(ms)
  if (whole < 1000) return `${whole}ms`
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor((whole % 3_600_000) / 60_000)
  const seconds = (whole % 60_000) / 1000
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}

const rfc3339 = (unixMs) => new Date(Math.ceil(unixMs / 1000) * 1000).toISOString().replace('.000', '')

const openaiHeaders = (states) => {
  const headers = {}
  for (const { dimension, limit, remaining, resetMs } of states) {
    headers[`x-ratelimit-limit-${dimension}`] = String(limit)
    headers[`x-ratelimit-remaining-${dimension}`] = String(Math.floor(remaining))
    headers[`x-ratelimit-reset-${dimension}`] = goDuration(resetMs)
  }
  return headers
}

const azureHeaders = (states) => {
  const headers = {}
  for (const { dimension, limit, remaining } of states) {
    headers[`x-ratelimit-limit-${dimension}`] = String(limit)
    headers[`x-ratelimit-remaining-${dimension}`] = String(Math.floor(remaining))
  }
  return headers
}

const anthropicHeaders = (states, wallMs) => {
  const headers = {}
  for (const { dimension, limit, remaining, resetMs } of states) {
    const name = `anthropic-ratelimit-${KEBAB[dimension]}`
    const shown = dimension === 'requests' ? Math.floor(remaining) : Math.round(remaining / 1000) * 1000
    headers[`${name}-limit`] = String(limit)
    headers[`${name}-remaining`] = String(Math.min(shown, limit))
    headers[`${name}-reset`] = rfc3339(wallMs + resetMs)
  }
  return headers
}

const retrySeconds = (waitMs) => ({ 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) })
const retryMs = (waitMs) => ({ 'retry-after-ms': String(Math.ceil(waitMs)), ...retrySeconds(waitMs) })

const openaiError = (type, code, message) => ({ error: { message, type, param: null, code } })
const anthropicError = (type, message) => ({ type: 'error', error: { type, message } })

const OPENAI_ERRORS = {
  quota: [429, openaiError('requests', 'rate_limit_exceeded', 'Rate limit reached. Please try again later.')],
  exhausted: [
    429,
    openaiError('insufficient_quota', 'insufficient_quota', 'You exceeded your current quota, please check your plan.'),
  ],
  overload: [503, openaiError('server_error', null, 'The engine is currently overloaded, please try again later')],
}
const ANTHROPIC_ERRORS = {
  quota: [429, anthropicError('rate_limit_error', 'Number of requests has exceeded your per-minute rate limit')],
  exhausted: [
    400,
    anthropicError('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
  ],
  overload: [529, anthropicError('overloaded_error', 'Overloaded')],
}

const chat = ({ id, model, text, inputTokens, outputTokens }) => ({
  id,
  object: 'chat.completion',
  created: 1_700_000_000,
  model,
  choices: [{ index: 0, message: { role: 'assistant', content: text, refusal: null }, finish_reason: 'stop' }],
  usage: {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  },
})

const responses = ({ id, model, text, inputTokens, outputTokens }) => ({
  id,
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model,
  output: [
    {
      id: `${id}-0`,
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    },
  ],
  usage: {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  },
})

const message = ({ id, model, text, inputTokens, outputTokens }) => ({
  id,
  type: 'message',
  role: 'assistant',
  model,
  content: [{ type: 'text', text }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: inputTokens, output_tokens: outputTokens },
})

const data = (value) => `data: ${JSON.stringify(value)}\n\n`
const event = (value) => `event: ${value.type}\n${data(value)}`

/** The events of a stream: before its text, of each piece of it, and after it. */
const chatStream = ({ id, model, inputTokens, outputTokens, includeUsage }) => {
  const chunk = (delta, finish_reason = null) =>
    data({
      id,
      object: 'chat.completion.chunk',
      created: 1_700_000_000,
      model,
      choices: [{ index: 0, delta, finish_reason }],
    })
  const usage = {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
  const last = data({ id, object: 'chat.completion.chunk', created: 1_700_000_000, model, choices: [], usage })
  return {
    before: chunk({ role: 'assistant', content: '' }),
    piece: (content) => chunk({ content }),
    after: `${chunk({}, 'stop')}${includeUsage ? last : ''}data: [DONE]\n\n`,
  }
}

const messageStream = ({ id, model, inputTokens, outputTokens }) => ({
  before:
    event({
      type: 'message_start',
      message: {
        ...message({ id, model, text: '', inputTokens, outputTokens: 1 }),
        content: [],
        stop_reason: null,
      },
    }) + event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  piece: (text) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  after:
    event({ type: 'content_block_stop', index: 0 }) +
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: outputTokens },
    }) +
    event({ type: 'message_stop' }),
})

const responsesStream = (call) => ({
  before: event({
    type: 'response.created',
    sequence_number: 0,
    response: { ...responses(call), output: [], usage: null },
  }),
  piece: (delta) =>
    event({
      type: 'response.output_text.delta',
      sequence_number: 1,
      item_id: `${call.id}-0`,
      output_index: 0,
      content_index: 0,
      delta,
    }),
  after: event({ type: 'response.completed', sequence_number: 2, response: responses(call) }),
})

/** The dialects by provider. */
export const DIALECTS = {
  openai: { headers: openaiHeaders, retry: retryMs, errors: OPENAI_ERRORS },
  'azure-openai': { headers: azureHeaders, retry: retryMs, errors: OPENAI_ERRORS },
  anthropic: { headers: anthropicHeaders, retry: retrySeconds, errors: ANTHROPIC_ERRORS },
  generic: { headers: () => ({}), retry: () => ({}), errors: OPENAI_ERRORS },
}

/** The answers of each path. */
export const PATHS = {
  '/v1/chat/completions': { whole: chat, stream: chatStream },
  '/v1/responses': { whole: responses, stream: responsesStream },
  '/v1/messages': { whole: message, stream: messageStream },
}
