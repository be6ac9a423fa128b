/**
 * The stack of what blocks the main thread. A thread of its own looks ten times a second whether the loop is blocked, and then has V8's inspector
 * evaluate `throw 0` there, which V8 does at its next check for interrupts: in a loop, a call, a regular expression. The exception's frames are those
 * of what runs. Nothing is stopped, so the main thread goes on also if the other one dies at any moment; nothing of the host's is called, read or
 * changed: no global, no property, no microtask. Off by default, since the thread takes about 12 MB.
 *
 * A session of the inspector that is connected when the process ends makes Node print a line, and wait where a debugger listens. So it is connected
 * for one question alone, and not any more once the process ends.
 */

import { builtin } from '../base/builtin.js'
import { withoutSecrets } from '../base/text.js'
import type { Stall } from '../events/stall.js'

/** The shortest block that is looked at, ms, and the time from one look to the next. */
const LEAST_MS = 100
const LOOK_MS = 100
/** One stall in so many ms has a stack; one that gave none is asked about again after the shorter time. */
const GAP_MS = 10_000
const RETRY_MS = 1_000
const MOST_FRAMES = 32
const MOST_BYTES = 8_192
/** Characters of a function's name, and of a file's. */
const MOST_NAME = 128
const MOST_URL = 384
/** A stall's report waits so long for an answer that is under way, ms, and the end of the process for the session's. */
const PATIENCE_MS = 1_000
const END_MS = 250

/** Of the shared memory: the state, the text's bytes, whether the process ends; the beginning of the stall that was looked at, Unix ms; the text. */
const CELL = { STATE: 0, BYTES: 1, ENDS: 2 } as const
const CELLS = 4
const SINCE_AT = CELLS * 4
const TEXT_AT = SINCE_AT + 8
/** An answer that came after the stall, from the report of it: V8 looks for interrupts where a function begins. */
const LATE = /^at (?:\S+\.)?withStack \(/
/** No stack; the session is connected; there is a stack. */
const STATE = { NONE: 0, ASKED: 1, THERE: 2 } as const

/**
 * The thread's code, where a bundler finds no module to look for. The first frame is that of `throw 0` itself. Without `Runtime.enable` V8 keeps no
 * frames of an exception. `silent` and `disableBreaks`: a debugger that is attached as well does not stop there.
 */
const LOOKOUT = `
const [threads, inspector] = ['worker_threads', 'inspector'].map((name) => require(['node', name].join(':')))
const { addon, loop, buffer } = threads.workerData
const { blockedLoop } = require(addon)
const cells = new Int32Array(buffer, 0, ${CELLS})
const since = new Float64Array(buffer, ${SINCE_AT}, 1)
const text = new Uint8Array(buffer, ${TEXT_AT})
const plain = (name, most) => name.replace(/[\\p{Cc}\\p{Zl}\\p{Zp}]+/gu, ' ').slice(-most)
const fileOf = (url) => (/^(data|blob):/.test(url) ? url.slice(0, 5) + '…' : plain(url.replace(/[?#].*/s, ''), ${MOST_URL})) || '<anonymous>'
const lineOf = ({ functionName, url, lineNumber, columnNumber }) =>
  'at ' + (plain(functionName, ${MOST_NAME}) || '(anonymous)') + ' (' + fileOf(url) + ':' + (lineNumber + 1) + ':' + (columnNumber + 1) + ')'
let session
let askedMs = -Infinity
let nextMs = -Infinity
const end = (state) => {
  session?.disconnect()
  session = undefined
  Atomics.store(cells, ${CELL.STATE}, state)
  Atomics.notify(cells, ${CELL.STATE})
  threads.parentPort.postMessage(state)
}
const take = (error, result) => {
  const frames = result?.exceptionDetails?.stackTrace?.callFrames ?? []
  const lines = frames.slice(1, ${MOST_FRAMES + 1}).map(lineOf)
  cells[${CELL.BYTES}] = new TextEncoder().encodeInto(lines.join('\\n'), text).written
  if (lines.length > 0) nextMs = askedMs + ${GAP_MS}
  end(lines.length > 0 ? ${STATE.THERE} : ${STATE.NONE})
}
const ask = (sinceMs) => {
  askedMs = performance.now()
  nextMs = askedMs + ${RETRY_MS}
  since[0] = sinceMs
  Atomics.store(cells, ${CELL.STATE}, ${STATE.ASKED})
  if (Atomics.load(cells, ${CELL.ENDS}) !== 0) return end(${STATE.NONE})
  try {
    session = new inspector.Session()
    session.connectToMainThread()
    session.post('Runtime.enable')
    session.post('Runtime.evaluate', { expression: 'throw 0', silent: true, disableBreaks: true }, take)
  } catch (error) {
    end(${STATE.NONE})
    throw error
  }
}
setInterval(() => {
  const [sinceMs, blockedMs] = blockedLoop(loop) ?? [0, 0]
  if (session !== undefined) {
    // The stall is over and the main thread sleeps: its next step would answer.
    if (sinceMs === 0 && performance.now() - askedMs > ${2 * LOOK_MS}) end(${STATE.NONE})
  } else if (blockedMs >= ${LEAST_MS} && sinceMs !== since[0] && performance.now() >= nextMs) ask(sinceMs)
}, ${LOOK_MS})
`

class StackLookout {
  readonly #buffer = new SharedArrayBuffer(TEXT_AT + MOST_BYTES)
  readonly #cells = new Int32Array(this.#buffer, 0, CELLS)
  readonly #since = new Float64Array(this.#buffer, SINCE_AT, 1)
  /** Reports that wait for the answer: of one stall, one of each instance. */
  #waiting: (() => void)[] = []

  /** @param addon the file of the native engine @param loop the number of the main thread's loop */
  constructor(addon: string, loop: number) {
    const { Worker } = builtin('node:worker_threads')
    // Without arguments and an environment it loads nothing that the host preloads.
    const worker = new Worker(LOOKOUT, {
      eval: true,
      name: 'atrion-stack',
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
      workerData: { addon, loop, buffer: this.#buffer },
    })
    worker.on('message', () => this.#answered())
    // Without an inspector, or where it may not be used, stalls come without a stack.
    worker.on('error', () => {})
    worker.on('exit', () => {
      Atomics.store(this.#cells, CELL.STATE, STATE.NONE)
      this.#answered()
    })
    worker.unref()
    process.on('exit', () => this.#end())
  }

  /** Calls `report` with the stack that was taken in a stall, the innermost frame first; undefined: none was. At once, but for an answer under way. */
  withStack(stall: Stall, report: (stack: string | undefined) => void): void {
    if (Atomics.load(this.#cells, CELL.STATE) !== STATE.ASKED || !this.#isOf(stall)) report(this.#stackOf(stall))
    else {
      if (this.#waiting.length === 0) setTimeout(() => this.#answered(), PATIENCE_MS).unref?.()
      this.#waiting.push(() => report(this.#stackOf(stall)))
    }
  }

  /** Both come from one clock, by the same sum. */
  #isOf({ startedAtMs }: Stall): boolean {
    return Math.abs(this.#since[0]! - startedAtMs) < 1
  }

  #stackOf(stall: Stall): string | undefined {
    if (Atomics.load(this.#cells, CELL.STATE) !== STATE.THERE || !this.#isOf(stall)) return undefined
    const frames = new TextDecoder().decode(new Uint8Array(this.#buffer, TEXT_AT, this.#cells[CELL.BYTES]).slice())
    return LATE.test(frames) ? undefined : withoutSecrets(frames)
  }

  #answered(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const report of waiting) report()
  }

  /** No session is connected from now on; one that is gets its answer while this waits. */
  #end(): void {
    const cells = this.#cells
    Atomics.store(cells, CELL.ENDS, 1)
    try {
      if (Atomics.load(cells, CELL.STATE) === STATE.ASKED) Atomics.wait(cells, CELL.STATE, STATE.ASKED, END_MS)
    } catch {}
  }
}

export type { StackLookout }

/** True if there is an inspector that may be used. Where the permission model forbids it, Node ends a process whose thread connects to it. */
function mayInspect(): boolean {
  const { features, permission } = process as {
    features?: { inspector?: boolean }
    permission?: { has(scope: string): boolean }
  }
  return features?.inspector === true && (permission === undefined || permission.has('inspector'))
}

let lookout: StackLookout | undefined
let isRefused = false

/** The lookout of this process, from now on; undefined in other threads than the main one, and where no thread can be started or none may look. */
export function stackLookout(addon: string, loop: number | undefined): StackLookout | undefined {
  if (lookout !== undefined || isRefused) return lookout
  try {
    const mayLook = loop !== undefined && mayInspect() && builtin('node:worker_threads').isMainThread
    if (mayLook) lookout = new StackLookout(addon, loop)
  } catch {}
  isRefused = lookout === undefined
  return lookout
}
