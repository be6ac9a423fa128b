/**
 * The stack of what blocks the main thread. A thread of its own looks ten times a second whether the loop is blocked, and then asks V8's inspector,
 * once a stall: the main thread is stopped for some milliseconds, its frames are read, and it goes on. Off by default, since a stop costs more than
 * the watchdog's own looks, and a thread some megabytes.
 */

import { builtin } from '../base/builtin.js'

/** The shortest block that is looked at, ms, and the time from one look to the next. */
const LEAST_MS = 100
const LOOK_MS = 100
/** Blocks that are looked at: one in so many ms. */
const GAP_MS = 10_000
const MOST_FRAMES = 32
const MOST_BYTES = 8_192

/** Of the shared memory: whether a stack is there, its bytes, the time of it in Unix ms, and the text. */
const CELL = { IS_THERE: 0, BYTES: 1 } as const
const TIME_AT = 8
const TEXT_AT = 16

/** The thread's code, where a bundler finds no module to look for. It writes while the main thread is stopped, so that the stall's report finds the stack; to disconnect ends the stop. */
const LOOKOUT = `
const [threads, inspector] = ['worker_threads', 'inspector'].map((name) => require(['node', name].join(':')))
const { addon, buffer, leastMs, lookMs, gapMs, mostFrames } = threads.workerData
const { blockedLoopsMs } = require(addon)
const cells = new Int32Array(buffer, 0, 2)
const time = new Float64Array(buffer, ${TIME_AT}, 1)
const text = new Uint8Array(buffer, ${TEXT_AT})
const urls = new Map()
let session
let lastMs = -Infinity
const end = () => {
  session?.disconnect()
  session = undefined
  urls.clear()
}
const take = ({ params }) => {
  const at = ({ functionName, location: { scriptId, lineNumber, columnNumber } }) =>
    'at ' + (functionName || '(anonymous)') + ' (' + (urls.get(scriptId) || '<anonymous>') + ':' + (lineNumber + 1) + ':' + (columnNumber + 1) + ')'
  const stack = params.callFrames.slice(0, mostFrames).map(at).join('\\n')
  cells[${CELL.BYTES}] = new TextEncoder().encodeInto(stack, text).written
  time[0] = Date.now()
  Atomics.store(cells, ${CELL.IS_THERE}, 1)
  end()
}
const look = () => {
  const blockedMs = Math.max(0, ...blockedLoopsMs())
  if (blockedMs < leastMs) end()
  else if (session === undefined && performance.now() - lastMs >= gapMs) {
    lastMs = performance.now()
    session = new inspector.Session()
    session.connectToMainThread()
    session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url))
    session.on('Debugger.paused', take)
    session.post('Debugger.enable', (error) => (error ? end() : session?.post('Debugger.pause')))
  }
}
setInterval(look, lookMs)
`

class StackLookout {
  readonly #buffer = new SharedArrayBuffer(TEXT_AT + MOST_BYTES)
  readonly #cells = new Int32Array(this.#buffer, 0, 2)
  readonly #time = new Float64Array(this.#buffer, TIME_AT, 1)

  /** @param addon the file of the native engine */
  constructor(addon: string) {
    const { Worker } = builtin('node:worker_threads')
    const worker = new Worker(LOOKOUT, {
      eval: true,
      name: 'atrion-stack',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
      workerData: {
        addon,
        buffer: this.#buffer,
        leastMs: LEAST_MS,
        lookMs: LOOK_MS,
        gapMs: GAP_MS,
        mostFrames: MOST_FRAMES,
      },
    })
    // Without an inspector, or where it may not be used, stalls come without a stack.
    worker.on('error', () => {})
    worker.unref()
  }

  /** The stack that was taken in a stall, the innermost frame first; undefined: none was. */
  stackOf({ startedAtMs, durationMs }: { startedAtMs: number; durationMs: number }): string | undefined {
    if (Atomics.load(this.#cells, CELL.IS_THERE) === 0) return undefined
    const atMs = this.#time[0]!
    if (atMs < startedAtMs - 1 || atMs > startedAtMs + durationMs + 1) return undefined
    return new TextDecoder().decode(new Uint8Array(this.#buffer, TEXT_AT, this.#cells[CELL.BYTES]).slice())
  }
}

export type { StackLookout }

let lookout: StackLookout | undefined
let isRefused = false

/** The lookout of this process, from now on; undefined in other threads than the main one, and where no thread can be started. */
export function stackLookout(addon: string): StackLookout | undefined {
  if (lookout !== undefined || isRefused) return lookout
  try {
    if (builtin('node:worker_threads').isMainThread) lookout = new StackLookout(addon)
  } catch {}
  isRefused = lookout === undefined
  return lookout
}
