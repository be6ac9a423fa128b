import FakeTimers from '@sinonjs/fake-timers'

// Taken before any fake timer is installed: the way out of the microtask queue and back.
const realSetImmediate = setImmediate

/** Lets every settled promise run its reactions; takes no virtual time. */
export const flush = () => new Promise((resolve) => realSetImmediate(resolve))

/**
 * The time of a run, in ms from its start. For contestants that read `Date.now` or set timers themselves, the
 * process's own timers follow it: `install` replaces them, `uninstall` puts the real ones back.
 */
export class RunClock {
  nowMs = 0
  #timers = null
  /** Virtual time at which the timers' own began, and theirs. */
  #timersFromMs = 0
  #ticking = false

  /** @returns {number} virtual ms since the run began; fits Atrion's `clock` option */
  now() {
    // A timer fires between two events, and its time is then the time.
    return this.#ticking ? Math.max(this.nowMs, this.#timers.now - this.#timersFromMs) : this.nowMs
  }

  install() {
    this.#timers = FakeTimers.install({
      now: 1_700_000_000_000,
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
      ignoreMissingTimers: true,
    })
    this.#timersFromMs = this.#timers.now - this.nowMs
  }

  uninstall() {
    this.#timers?.uninstall()
    this.#timers = null
  }

  /** @param {number} atMs not before now */
  advanceTo(atMs) {
    if (this.#timers !== null && atMs > this.nowMs) {
      this.#ticking = true
      this.#timers.tick(atMs - this.nowMs)
      this.#ticking = false
    }
    this.nowMs = atMs
  }
}
