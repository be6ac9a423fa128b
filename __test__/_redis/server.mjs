// One server process: redis-server or what is compatible with it, on a loopback port, with nothing on disk.
import { execFile, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { guard, release, reserve } from './guard.mjs'

const HOST = '127.0.0.1'
const READY = /Ready to accept connections|Sentinel ID is/
const TAKEN = /Address already in use/
const KEPT_LINES = 200

const INSTALL = 'apt-get install redis-server (Debian, Ubuntu) or brew install redis (macOS)'

const execute = promisify(execFile)
/** Resharding names every slot. */
const MAX_OUTPUT_BYTES = 16 << 20

export class Server extends EventEmitter {
  host = HOST
  port
  #place
  #child
  #command
  #args
  #cliArgs
  #config
  #lines = []

  /**
   * Starts a server and waits until it accepts connections.
   *
   * @param options.command redis-server by default, or valkey-server
   * @param options.args further arguments, or a function of the port
   * @param options.config the text of a configuration file, or a function of the port
   * @param options.cliArgs what the command line client needs to be let in
   */
  static async start(options = {}) {
    for (;;) {
      const server = new Server(options)
      try {
        await server.#run()
        return server
      } catch (error) {
        await server.stop()
        if (!TAKEN.test(error.message)) throw error
      }
    }
  }

  constructor({ command = 'redis-server', args = [], config, cliArgs = [] }) {
    super()
    this.#place = reserve()
    this.port = this.#place.port
    this.#command = command
    this.#args = typeof args === 'function' ? args(this.port) : args
    this.#config = typeof config === 'function' ? config(this.port) : config
    this.#cliArgs = cliArgs
  }

  get address() {
    return `${this.host}:${this.port}`
  }

  get url() {
    return `redis://${this.address}`
  }

  /** The folder of the server's files. */
  get folder() {
    return this.#place.data
  }

  /** Stops the process where it is: connections stay open, nothing answers. */
  pause() {
    this.#child.kill('SIGSTOP')
  }

  resume() {
    this.#child.kill('SIGCONT')
  }

  /** Ends the process without notice. */
  async kill() {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    if (child.exitCode === null && child.signalCode === null) {
      child.ref()
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    guard(this.#place)
  }

  /** Starts again on the same port, empty. */
  async restart() {
    await this.kill()
    await this.#run()
  }

  /** Ends the process and gives the port back. */
  async stop() {
    await this.kill()
    release(this.#place)
  }

  /** Runs redis-cli and returns its answer; throws when the server's answer is an error. */
  async cli(...args) {
    const { stdout } = await this.#client(args.map(String))
    return stdout.trim()
  }

  /** Publishes bytes that a command line cannot hold; the number of receivers. */
  async publish(channel, bytes) {
    const running = this.#client(['-x', 'publish', channel])
    running.child.stdin.end(bytes)
    return Number((await running).stdout)
  }

  /** The next line of the server's log that matches. */
  printed(pattern) {
    const output = this.#child?.stdout
    return new Promise((resolve) => {
      const listen = (line) => {
        if (!pattern.test(line)) return
        this.off('line', listen)
        output?.unref()
        resolve(line)
      }
      this.on('line', listen)
      // A caller waits: now it does keep the process from ending.
      output?.ref()
    })
  }

  #client(args) {
    const command = this.#command.replace(/-server$/, '-cli')
    const target = ['-e', '-h', HOST, '-p', String(this.port), ...this.#cliArgs]
    return execute(command, [...target, ...args], { maxBuffer: MAX_OUTPUT_BYTES })
  }

  async #run() {
    const child = spawn(this.#command, this.#arguments(), { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const failed = once(child, 'error').then(([error]) => {
      throw error.code === 'ENOENT' ? new Error(`There is no ${this.#command} here. Install it: ${INSTALL}.`) : error
    })
    const ended = once(child, 'close').then(([code]) => {
      throw new Error(`${this.#command} ended with ${code}: ${this.#lines.join('\n')}`)
    })
    for (const promise of [failed, ended]) promise.catch(() => {})
    this.#lines = []
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => this.#hear(line))
    if (child.pid === undefined) await failed
    guard(this.#place, child.pid)
    this.#child = child
    await Promise.race([this.printed(READY), failed, ended])
    // A server that is forgotten must not keep a process from ending, which ends the server.
    for (const handle of [child, child.stdout, child.stderr]) handle.unref()
  }

  #hear(line) {
    if (this.#lines.push(line) > KEPT_LINES) this.#lines.shift()
    this.emit('line', line)
  }

  #arguments() {
    const file = []
    if (this.#config !== undefined) {
      file.push(join(this.folder, 'server.conf'))
      writeFileSync(file[0], this.#config)
    }
    const own = ['--bind', HOST, '--port', String(this.port), '--dir', this.folder, '--save', '', '--appendonly', 'no']
    return [...file, ...(this.#args.includes('--sentinel') ? [] : own), ...this.#args]
  }
}
