// Child processes that speak over IPC: started, asked, and ended one by one.
import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { nowMs } from './http.mjs'

const running = new Set()

/** A process of the demo. Its end, other than by `stop()`, rejects whatever waits for it. */
export class Part {
  #child
  #waiting = new Map()
  #failure
  #isExpectedToEnd = false

  /** @param handlers called with messages, by their type */
  constructor(file, args, handlers = {}) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    running.add(this)
    this.#child.on('message', (message) => {
      handlers[message.type]?.(message)
      this.#waiting.get(message.type)?.resolve(message)
    })
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', (code, signal) => {
      running.delete(this)
      if (!this.#isExpectedToEnd || code !== 0) this.#fail(new Error(`${file} ended with ${signal ?? `code ${code}`}`))
    })
  }

  /** The first message of a type. */
  when(type) {
    return new Promise((resolve, reject) => {
      if (this.#failure) reject(this.#failure)
      else this.#waiting.set(type, { resolve, reject })
    })
  }

  send(message) {
    this.#child.send(message)
  }

  /** Awaits a last word, after which the process ends by itself. */
  async last(type) {
    this.#isExpectedToEnd = true
    return await this.when(type)
  }

  kill() {
    this.#isExpectedToEnd = true
    this.#child.kill()
  }

  #fail(error) {
    this.#failure = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

/** Time for the processes to get to their first timer, ms. */
const LEAD_MS = 300

/**
 * Starts a load generator's run, and does the planned things meanwhile. Resolves to the generator's last message.
 *
 * @param {Part} load
 * @param {number} runMs
 * @param {{ atMs: number, do: () => unknown }[]} script what happens when
 * @param {(second: number) => void} onSecond called once a second
 * @param {(startedAt: number) => void} onStart called with the start of the run, ms since the epoch
 */
export async function play({ load, runMs, script, onSecond, onStart }) {
  const startedAt = nowMs() + LEAD_MS
  onStart(startedAt)
  const done = load.last('done')
  load.send({ type: 'start', startedAt })
  const until = (atMs) => sleep(Math.max(0, startedAt + atMs - nowMs()))
  const act = async () => {
    for (const { atMs, do: perform } of script) {
      await until(atMs)
      await perform()
    }
  }
  const watch = async () => {
    for (let second = 1; second * 1000 <= runMs; second += 1) {
      await until(second * 1000)
      onSecond(second)
    }
  }
  const [last] = await Promise.all([done, act(), watch()])
  return last
}

/** Ends whatever of the demo still runs. */
export function endAll() {
  for (const part of running) part.kill()
}
