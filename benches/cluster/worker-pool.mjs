/** Nodes in processes of their own: the parent asks, a duty of the node's module answers. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const NODE = fileURLToPath(new URL('./node.mjs', import.meta.url))

const running = new Set()

/** A process that serves the duties of a module in this folder. */
export class Node {
  #child
  #questions = new Map()
  #asked = 0
  #what

  constructor(file, nodeOptions = []) {
    this.#what = file
    this.#child = fork(NODE, [file], { execArgv: nodeOptions })
    running.add(this)
    this.#child.on('message', ({ id, result, failure }) => {
      const question = this.#questions.get(id)
      this.#questions.delete(id)
      if (failure) question.reject(new Error(`${file}: ${failure}`))
      else question.resolve(result)
    })
    this.#child.on('exit', (code, signal) => {
      running.delete(this)
      for (const { reject } of this.#questions.values()) reject(new Error(`${this.#what} ended with ${signal ?? code}`))
    })
  }

  /** What the duty of that name answers. */
  ask(duty, details = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#asked++
      this.#questions.set(id, { resolve, reject })
      this.#child.send({ id, duty, details })
    })
  }

  /** Ends the process; resolves when it has. */
  stop() {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    return ended
  }
}

/** Ends whatever still runs. */
export const stopAll = () => Promise.all([...running].map((node) => node.stop()))
