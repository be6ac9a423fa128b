/**
 * Processes and threads that work for a benchmark, a lab run or a demo: started, asked, ended. Each runs a module that calls `serve`
 * of `./duties.mjs`; a question names one of its duties.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker as Thread } from 'node:worker_threads'

const running = new Set()

/** The common interface of a process and a thread. */
class Worker {
  #name
  #send
  #handlers
  #questions = new Map()
  #asked = 0
  #failure

  /** @param {URL} file @param {(message: object) => void} send @param {Record<string, (details: object) => void>} on called with what the worker tells, by its type */
  constructor(file, send, on) {
    this.#name = basename(fileURLToPath(file))
    this.#send = send
    this.#handlers = on
    running.add(this)
  }

  /** Resolves to what the duty answers; rejects when it fails, or the worker ends. */
  ask(duty, details = {}) {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      const id = this.#asked++
      this.#questions.set(id, { resolve, reject })
      this.#send({ id, duty, details })
    })
  }

  received({ id, result, failure, type, details }) {
    if (type !== undefined) {
      this.#handlers[type]?.(details)
      return
    }
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    if (failure === undefined) question.resolve(result)
    else question.reject(new Error(`${this.#name}: ${failure}`))
  }

  ended(how) {
    running.delete(this)
    this.#failure = how instanceof Error ? how : new Error(`${this.#name} ended with ${how}`)
    for (const { reject } of this.#questions.values()) reject(this.#failure)
    this.#questions.clear()
  }
}

/** A module in a process of its own. */
export class WorkerProcess extends Worker {
  #child

  /** @param {URL} file @param {{ args?: string[], nodeOptions?: string[], on?: Record<string, (details: object) => void> }} [options] */
  constructor(file, { args = [], nodeOptions = [], on = {} } = {}) {
    const child = fork(file, args, {
      execArgv: nodeOptions,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    super(file, (message) => child.send(message), on)
    this.#child = child
    child.on('message', (message) => this.received(message))
    child.on('error', (error) => this.ended(error))
    child.on('exit', (code, signal) => this.ended(signal ?? `code ${code}`))
  }

  get pid() {
    return this.#child.pid
  }

  /** Kills the process; resolves when it has ended. */
  stop() {
    return this.#until(() => this.#child.kill('SIGKILL'))
  }

  /** Lets the process end, as it does without its parent; resolves when it has. */
  end() {
    return this.#until(() => this.#child.connected && this.#child.disconnect())
  }

  async #until(act) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const end = once(this.#child, 'exit')
    act()
    await end
  }
}

/** A module in a thread of its own. */
class WorkerThread extends Worker {
  #thread

  /** @param {URL} file @param {{ data?: unknown, on?: Record<string, (details: object) => void> }} [options] */
  constructor(file, { data, on = {} } = {}) {
    const thread = new Thread(file, { workerData: data })
    super(file, (message) => thread.postMessage(message), on)
    this.#thread = thread
    thread.on('message', (message) => this.received(message))
    thread.on('error', (error) => this.ended(error))
    thread.on('exit', (code) => this.ended(`code ${code}`))
  }

  async stop() {
    await this.#thread.terminate()
  }
}

/** Ends every worker that still runs; resolves when all have ended. */
export const stopAll = () => Promise.all([...running].map((worker) => worker.stop()))

/**
 * Performs tasks on as many threads as the machine has cores. A thread that fails fails them all.
 *
 * @param {URL} file the module of a thread; its duty `perform` takes a task
 * @param {object[]} tasks the longest first
 * @param {{ data?: unknown, next?: (waiting: object[], known: Set<unknown>) => number, onDone?: (done: number, total: number, task: object) => void }} [options]
 *   `next` picks a task's index for a thread, by default the first; `known` is the thread's own set, to remember by
 * @returns {Promise<{ task: object, result?: object, error?: string }[]>} in order of completion
 */
export const performAll = async (file, tasks, { data, next = () => 0, onDone = () => {} } = {}) => {
  const waiting = [...tasks]
  const answers = []
  const lane = async () => {
    const thread = new WorkerThread(file, { data })
    const known = new Set()
    try {
      while (waiting.length > 0) {
        const [task] = waiting.splice(next(waiting, known), 1)
        answers.push({ task, ...(await thread.ask('perform', task)) })
        onDone(answers.length, tasks.length, task)
      }
    } finally {
      await thread.stop()
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), tasks.length) }, lane))
  return answers
}
