import { EventHeap } from './heap.mjs'

// Taken before any timer is replaced.
const afterMicrotasks = process.nextTick

const settled = Promise.resolve()

/**
 * Returns what calls `run` once every settled promise has run its reactions; takes no virtual time. A tick runs once the microtask queue is
 * empty; the second one is for reactions that set a tick themselves. Both are far cheaper than a turn of the event loop. What runs is a
 * reaction again: between two ticks no reaction runs.
 */
export const afterFlush = (run) => {
  const react = () => settled.then(run)
  const again = () => afterMicrotasks(react)
  return () => afterMicrotasks(again)
}

/** Lets every settled promise run its reactions. */
export const flush = () => new Promise((resolve) => afterFlush(resolve)())

/** The value of `Date.now()` when a run begins. */
const EPOCH_MS = 1_700_000_000_000
/** Node takes a longer delay as one of 1 ms. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The globals that follow the virtual clock; `performance.now` does too. */
const REPLACED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date']

/** The timer that the virtual `setTimeout` and `setInterval` return; like Node's own, every method returns the timer. */
class VirtualTimer {
  dead = false
  #timers
  #run
  #delayMs
  #repeats

  constructor(timers, run, delayMs, repeats) {
    this.#timers = timers
    this.#run = run
    this.#delayMs = delayMs >= 1 && delayMs <= LONGEST_DELAY_MS ? Math.trunc(delayMs) : 1
    this.#repeats = repeats
    this.refresh()
  }

  fire() {
    if (this.#repeats) this.refresh()
    else this.dead = true
    this.#run()
  }

  refresh() {
    this.turn = this.#timers.plan(this, this.#delayMs)
    return this
  }

  ref() {
    return this
  }

  unref() {
    return this
  }

  hasRef() {
    return true
  }

  close() {
    this.dead = true
    return this
  }
}

/**
 * The time of a run, in ms from its start. For contestants that read `Date.now` or set timers themselves, the
 * process's own timers follow it: `install` replaces them, `uninstall` puts the real ones back.
 */
export class RunClock {
  nowMs = 0
  /** @type {EventHeap<{ timer: VirtualTimer, turn: number }>} */
  #timers = new EventHeap()
  #turn = 0
  #real = null

  /** @returns {number} virtual ms since the run began; fits Atrion's `clock` option */
  now() {
    return this.nowMs
  }

  /** Puts a timer into the future. @returns {number} the turn that is now the only one in which it fires */
  plan(timer, delayMs) {
    this.#turn += 1
    this.#timers.push(this.nowMs + delayMs, { timer, turn: this.#turn })
    return this.#turn
  }

  install() {
    this.#real = Object.fromEntries(REPLACED.map((name) => [name, globalThis[name]]))
    const set =
      (repeats) =>
      (run, delayMs, ...args) =>
        new VirtualTimer(this, args.length === 0 ? run : () => run(...args), delayMs, repeats)
    const clear = (timer) => timer?.close?.()
    const now = () => EPOCH_MS + Math.floor(this.nowMs)
    class VirtualDate extends Date {
      constructor(...args) {
        if (args.length === 0) super(now())
        else super(...args)
      }
      static now() {
        return now()
      }
    }
    Object.assign(globalThis, {
      setTimeout: set(false),
      clearTimeout: clear,
      setInterval: set(true),
      clearInterval: clear,
      Date: VirtualDate,
    })
    performance.now = () => this.nowMs
  }

  uninstall() {
    if (this.#real === null) return
    Object.assign(globalThis, this.#real)
    delete performance.now
    this.#real = null
  }

  /** Timers that are due on the way fire, each at its own time. @param {number} atMs not before now */
  advanceTo(atMs) {
    while (this.#timers.nextMs <= atMs) {
      const firesMs = this.#timers.nextMs
      const { timer, turn } = this.#timers.pop()
      if (timer.dead || timer.turn !== turn) continue
      this.nowMs = Math.max(this.nowMs, firesMs)
      timer.fire()
    }
    this.nowMs = atMs
  }
}
