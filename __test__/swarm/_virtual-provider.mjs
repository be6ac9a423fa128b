// Callers that always have more to do, and a provider with true limits, in virtual time: what a pace makes of them.
import { EventHeap } from 'atrion/simulation'
import { DIALECTS } from '../../lab/provider/dialects.mjs'
import { KeyLimits } from '../../lab/provider/limits.mjs'
import { randomOf } from '../_engine.mjs'
import { sourceOf } from '../_source.mjs'

export const { Pace } = await sourceOf('upstream/index.ts')

const MINUTE_MS = 60_000
const MOST_IN_FLIGHT = 5000
/** A start far from zero, as clocks have it. */
const START_MS = 1_000_000

/** Events by time, and by order of their making at the same time. */
class Timeline {
  nowMs = START_MS
  #events = new EventHeap()

  at(ms, run) {
    this.#events.push(ms, run)
  }

  run(untilMs) {
    const events = this.#events
    while (events.nextMs < untilMs) {
      this.nowMs = Math.max(this.nowMs, events.nextMs)
      events.pop()()
    }
  }
}

/** Answers of half a second to a second and a half. */
const SHORT = (random) => 500 + 1000 * random()
/** Answers of five to thirty seconds. */
export const LONG = (random) => 5000 + 25_000 * random()

/** The times at which something that stands still goes on: a function of the time, 0 where it does not stand still. Times only grow. */
function stallEnds(random, { everyMs, forMs }) {
  let fromMs = START_MS + 2 * everyMs * random()
  let toMs = fromMs + 2 * forMs * random()
  return (nowMs) => {
    while (toMs <= nowMs) {
      fromMs = toMs + 2 * everyMs * random()
      toMs = fromMs + 2 * forMs * random()
    }
    return fromMs <= nowMs ? toMs : 0
  }
}

/** The states of a key's limits as they were some time ago. */
function laggingStates(key, lagMs) {
  if (lagMs === 0) return (nowMs) => [...key.states(nowMs)]
  const seen = []
  return (nowMs) => {
    seen.push({ atMs: nowMs, states: [...key.states(nowMs)] })
    while (seen.length > 1 && seen[1].atMs <= nowMs - lagMs) seen.shift()
    return seen[0].states
  }
}

/**
 * Plays processes that share a key and, unless the world says otherwise, always have a call waiting.
 *
 * @param {object} world
 * @param {string} [world.provider] the dialect
 * @param {import('../../lab/provider/limits.mjs').Limits} world.limits
 * @param {object} [world.configured] the limits that the pace is given
 * @param {number} [world.estimate] what is estimated for each token that is used
 * @param {(random: () => number) => { inputTokens: number, outputTokens: number }} [world.cost]
 * @param {(minute: number) => boolean} [world.rests] the second process makes no calls in that minute
 * @param {(index: number) => number} [world.startsMs] the time at which a process starts
 * @param {(index: number) => number} [world.everyMs] a process has a call to make so often, on average; 0: always
 * @param {{ everyMs: number, forMs: number, whole?: boolean }} [world.stalls] a process stands still so often and for so long, on average, and so does the provider; `whole`: all at the same time
 * @param {number} [world.callMs] the time that a process needs to make a call; it does nothing else meanwhile
 * @param {number} [world.headersLagMs] headers state what remained so long before
 * @param {number} [world.headShare] the head of an answer is there after this share of its time
 * @returns {{ used: number, usedLater: number, refused: number, refusedLater: number }} shares: of the limit that binds, of all calls; later: from the third minute on
 */
export function play({
  provider = 'openai',
  limits,
  configured = {},
  processes = 1,
  answerMs = SHORT,
  cost = () => ({ inputTokens: 500, outputTokens: 500 }),
  estimate = 1,
  minutes = 10,
  seed = 1,
  rests = () => false,
  startsMs = () => 0,
  everyMs = () => 0,
  stalls,
  callMs = 0,
  headersLagMs = 0,
  headShare = 1,
}) {
  const minuteMs = limits.minuteMs ?? MINUTE_MS
  const random = randomOf(seed)
  const timeline = new Timeline()
  const key = new KeyLimits(limits, START_MS)
  const { headers: headersOf, retry } = DIALECTS[provider]
  const byMinute = Array.from({ length: minutes }, () => ({ ok: 0, refused: 0, tokens: 0 }))
  const bySlot = Array.from({ length: processes }, () => new Float64Array(3 * minutes))
  const passed = () => (timeline.nowMs - START_MS) / minuteMs
  const minuteOf = () => Math.floor(passed())

  const states = laggingStates(key, headersLagMs)
  const stallsOf = Array.from({ length: processes + 1 }, (_, i) =>
    stalls === undefined ? () => 0 : stallEnds(randomOf(seed + 1000 * (stalls.whole ? 1 : i + 1)), stalls),
  )
  const server = processes
  const busyUntilMs = new Float64Array(processes + 1)
  /** Calls back in a process, or in the provider, at a time, or as soon afterwards as it does not stand still. */
  const inside = (index, ms, run) =>
    timeline.at(ms, () => {
      const freeMs = Math.max(busyUntilMs[index], stallsOf[index](timeline.nowMs))
      if (freeMs > timeline.nowMs) inside(index, freeMs, run)
      else run()
    })

  const callerOf = (index) => {
    const pace = new Pace({ provider, ...configured }, START_MS)
    let inFlight = 0
    let next
    let wakesMs = 0
    let nextMs = 0
    const at = (ms, run) => inside(index, ms, run)
    const answered = (call, status, headers) => {
      call.answered(status, headers, timeline.nowMs, undefined, timeline.nowMs)
      pump()
    }
    const ended = (call, status, headers, used) => {
      call.answered(status, headers, timeline.nowMs, undefined, timeline.nowMs)
      call.end(timeline.nowMs, used)
      inFlight--
      pump()
    }
    const sendOne = (used, estimated) => {
      const call = pace.send(estimated, timeline.nowMs)
      inFlight++
      busyUntilMs[index] = Math.max(busyUntilMs[index], timeline.nowMs) + callMs
      // It leaves when the process has made all the calls that it makes at once, and does not stand still.
      at(timeline.nowMs, () => arrives(call, used))
    }
    const arrives = (call, used) => {
      inside(server, timeline.nowMs + 15 + 30 * random(), () => {
        const { nowMs } = timeline
        const waitMs = key.admit({ inputTokens: used.inputTokens, maxOutputTokens: used.outputTokens }, nowMs)
        const headers = { ...headersOf(states(nowMs), nowMs), ...(waitMs > 0 ? retry(waitMs) : {}) }
        const count = byMinute[minuteOf()]
        if (waitMs > 0) {
          count.refused++
          at(nowMs + 30, () => ended(call, 429, headers))
          return
        }
        count.ok++
        bySlot[index][Math.floor(3 * passed())]++
        count.tokens += used.inputTokens + used.outputTokens
        key.made(used.outputTokens, nowMs)
        const tookMs = answerMs(random)
        if (headShare < 1) at(nowMs + headShare * tookMs, () => answered(call, 200, headers))
        at(nowMs + tookMs, () => ended(call, 200, headers, used))
      })
    }
    const pump = () => {
      if (index === 1 && rests(minuteOf())) return
      while (inFlight < MOST_IN_FLIGHT) {
        const { nowMs } = timeline
        if (nowMs < nextMs) {
          at(nextMs, pump)
          return
        }
        next ??= cost(random)
        const estimated = {
          inputTokens: next.inputTokens * estimate,
          outputTokens: next.outputTokens * estimate,
        }
        const waitMs = pace.waitMs(estimated, nowMs)
        if (waitMs > 0) {
          const atMs = nowMs + waitMs
          if (wakesMs > nowMs && wakesMs <= atMs) return
          wakesMs = atMs
          at(atMs, pump)
          return
        }
        sendOne(next, estimated)
        next = undefined
        const betweenMs = everyMs(index)
        if (betweenMs > 0) nextMs = nowMs + 2 * betweenMs * random()
      }
    }
    at(START_MS + startsMs(index) + 100 * random(), pump)
    return pace
  }
  const paces = Array.from({ length: processes }, (_, index) => callerOf(index))
  timeline.run(START_MS + minutes * minuteMs)

  const sumOf = (name, from) => byMinute.slice(from).reduce((sum, minute) => sum + minute[name], 0)
  const usedFrom = (from) => {
    const perMinute = (name) => sumOf(name, from) / (minutes - from)
    const shares = [
      [perMinute('ok'), limits.requestsPerMinute],
      [perMinute('ok') * 1440, limits.requestsPerDay],
      [perMinute('tokens'), limits.tokensPerMinute],
    ]
    return Math.max(...shares.filter(([, limit]) => limit !== undefined).map(([used, limit]) => used / limit))
  }
  const refusedFrom = (from) => {
    const refused = sumOf('refused', from)
    return refused / (refused + sumOf('ok', from))
  }
  return {
    used: usedFrom(0),
    usedLater: usedFrom(2),
    refused: refusedFrom(0),
    refusedLater: refusedFrom(2),
    paces,
    nowMs: timeline.nowMs,
    /** Calls of each process over the last two thirds. */
    calls: bySlot.map((slots) => slots.slice(minutes).reduce((sum, count) => sum + count, 0)),
  }
}
