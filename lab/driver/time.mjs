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

  /** @returns {number} virtual ms since the run began; fits Atrion's `clock` option */
  now() {
    return this.nowMs
  }

  install() {
    this.#timers = FakeTimers.install({
      now: 1_700_000_000_000,
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
      ignoreMissingTimers: true,
    })
  }

  uninstall() {
    this.#timers?.uninstall()
    this.#timers = null
  }

  /** @param {number} atMs not before now */
  advanceTo(atMs) {
    if (this.#timers !== null && atMs > this.nowMs) this.#timers.tick(atMs - this.nowMs)
    this.nowMs = atMs
  }
}
