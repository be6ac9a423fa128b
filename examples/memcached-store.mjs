/**
 * A custom store in one class: the state of routes in memcached, over a socket of Node's. The page docs/guide/a-store-of-ones-own.md builds it, and the
 * conformance suite of `atrion/testing` checks it.
 */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'

/** The text protocol of memcached, one request after the other on one connection. */
class Memcached {
  #host
  #port
  #timeoutMs
  #socket
  #last = Promise.resolve()

  constructor({ host, port, timeoutMs }) {
    this.#host = host
    this.#port = port
    this.#timeoutMs = timeoutMs
  }

  /** Sends one request; resolves to its answer, the bytes until `isWhole` says that it is whole. */
  ask(request, isWhole) {
    const answer = this.#last.then(() => this.#ask(request, isWhole))
    this.#last = answer.catch(() => {})
    return answer
  }

  close() {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #ask(request, isWhole) {
    return new Promise((resolve, reject) => {
      this.#socket ??= this.#open()
      const socket = this.#socket
      let got = Buffer.alloc(0)
      const end = (error) => {
        clearTimeout(timer)
        socket.off('data', read).off('error', end).off('close', closed)
        // A connection whose answer did not come is out of step.
        if (error) this.close()
        if (error) reject(error)
        else resolve(got)
      }
      const read = (piece) => {
        got = Buffer.concat([got, piece])
        if (isWhole(got)) end()
      }
      const closed = () => end(new Error('memcached closed the connection'))
      const timer = setTimeout(() => end(new Error(`no answer within ${this.#timeoutMs} ms`)), this.#timeoutMs)
      socket.on('data', read).on('error', end).on('close', closed)
      socket.write(request)
    })
  }

  #open() {
    const socket = connect(this.#port, this.#host)
    socket.setNoDelay(true)
    socket.unref() // a store keeps no process alive
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
    })
    return socket
  }
}

const isLine = (got) => got.subarray(-2).equals(Buffer.from('\r\n'))
/** A value begins with a line that says how many bytes follow; END stands behind it. */
const isValue = (got) => {
  const head = /^VALUE \S+ \d+ (\d+)(?: \d+)?\r\n/.exec(got.subarray(0, 400).toString('latin1'))
  if (head === null) return isLine(got)
  return got.length >= head[0].length + Number(head[1]) + '\r\nEND\r\n'.length
}

export class MemcachedStateProvider {
  name = 'MemcachedStateProvider'
  #client
  #prefix
  #ttlS
  /** Changes of the list of names, one after the other. */
  #changing = Promise.resolve()

  constructor({ host = '127.0.0.1', port = 11_211, prefix = 'atrion', ttlS = 3600, timeoutMs = 1000 } = {}) {
    this.#client = new Memcached({ host, port, timeoutMs })
    this.#prefix = prefix
    this.#ttlS = ttlS
  }

  async connect() {
    await this.#client.ask('version\r\n', isLine) // rejects where there is no server
  }

  async disconnect() {
    this.#client.close()
  }

  async getVector(routeId) {
    const { value } = await this.#get(this.#keyOf(routeId))
    return value === undefined ? null : JSON.parse(value).vector
  }

  async updateVector(routeId, { scar, momentumScalar, lastTick, resistance }) {
    const value = JSON.stringify({ routeId, vector: { scar, momentumScalar, lastTick, resistance } })
    await this.#set(this.#keyOf(routeId), value)
    await this.#change((names) => !names.has(routeId) && names.add(routeId))
  }

  async deleteVector(routeId) {
    await this.#client.ask(`delete ${this.#keyOf(routeId)}\r\n`, isLine)
    await this.#change((names) => names.delete(routeId))
  }

  async listRoutes() {
    return [...(await this.#names()).names]
  }

  /** Keys of memcached have 250 bytes, and neither blanks nor control characters: any name becomes one by its digest. */
  #keyOf(routeId) {
    return `${this.#prefix}:${createHash('sha256').update(JSON.stringify(routeId)).digest('hex')}`
  }

  /** The value of a key, and the number by which it is replaced. */
  async #get(key) {
    const got = await this.#client.ask(`gets ${key}\r\n`, isValue)
    const head = /^VALUE \S+ \d+ (\d+) (\d+)\r\n/.exec(got.subarray(0, 400).toString('latin1'))
    if (head === null) return { value: undefined, cas: undefined }
    return { value: got.toString('utf8', head[0].length, head[0].length + Number(head[1])), cas: head[2] }
  }

  /** Sets a key; with `cas` only if nothing has replaced it. Resolves to whether it did. */
  async #set(key, value, cas) {
    const bytes = Buffer.from(value)
    const command = cas === undefined ? 'set' : cas === 'new' ? 'add' : 'cas'
    const last = command === 'cas' ? ` ${cas}` : ''
    const head = `${command} ${key} 0 ${this.#ttlS} ${bytes.length}${last}\r\n`
    const answer = String(
      await this.#client.ask(Buffer.concat([Buffer.from(head), bytes, Buffer.from('\r\n')]), isLine),
    )
    if (answer.startsWith('STORED')) return true
    if (answer.startsWith('EXISTS') || answer.startsWith('NOT_')) return false
    throw new Error(`memcached: ${answer.trim()}`)
  }

  async #names() {
    const { value, cas } = await this.#get(`${this.#prefix}:routes`)
    return { names: new Set(value === undefined ? [] : JSON.parse(value)), cas: cas ?? 'new' }
  }

  /** Changes the list of names by compare-and-set: another node may change it at the same time. */
  #change(edit) {
    const done = this.#changing.then(() => this.#changeNow(edit))
    this.#changing = done.catch(() => {})
    return done
  }

  async #changeNow(edit) {
    for (;;) {
      const { names, cas } = await this.#names()
      if (!edit(names)) return
      if (await this.#set(`${this.#prefix}:routes`, JSON.stringify([...names]), cas)) return
    }
  }
}
