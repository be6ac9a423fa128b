/** The part of the package that knows providers of language models: their quota, their answers, and the pace that fits both. */

export { type AnswerKind, type Classified, classify, classifyStreamError } from './classify.js'
export { type BodyEstimate, estimateBody } from './estimate.js'
export { type CallCost, type ObservedLimit, Pace, PacedCall, type PaceOptions, type PaceStats } from './pace.js'
export { type Dimension, parseSpan, type Quota, type QuotaState, readQuota, type UpstreamProvider } from './quota.js'
export { TokenLengths, type TokenUsage, UsageReader, usageIn } from './usage.js'
