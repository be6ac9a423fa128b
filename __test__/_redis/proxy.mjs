// A network that fails on demand: a TCP proxy between a client and a server on this machine.
import { EventEmitter, once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Closes a connection by a reset. One that is being shut down is closed the usual way: a reset would come to nothing there,
 * and Node would wait for its end for ever.
 */
const reset = (socket) => {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/**
 * One direction of one connection. Bytes keep their order whatever happens to the delay: a later chunk is never due
 * before an earlier one.
 */
class Lane {
  #from
  #to
  #proxy
  #queue = []
  #dueMs = 0
  #timers = new Set()

  constructor(proxy, from, to, counter) {
    this.#from = from
    this.#to = to
    this.#proxy = proxy
    from.on('data', (chunk) => {
      proxy.bytes[counter] += chunk.length
      proxy.emit(counter, chunk)
      this.#queue.push(chunk)
      this.#schedule()
    })
    from.on('end', () => {
      this.#queue.push(undefined)
      this.#schedule()
    })
  }

  /** Goes on with what was held back. */
  wake() {
    for (let waiting = this.#queue.length - this.#timers.size; waiting > 0; waiting--) this.#schedule()
  }

  end() {
    for (const timer of this.#timers) clearTimeout(timer)
    reset(this.#from)
    reset(this.#to)
  }

  #schedule() {
    if (this.#proxy.isMute) return
    const nowMs = performance.now()
    this.#dueMs = Math.max(this.#dueMs, nowMs + this.#proxy.delayMs)
    if (this.#dueMs <= nowMs) {
      this.#forward()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      // Gone mute in the meantime: it stays in the queue.
      if (!this.#proxy.isMute) this.#forward()
    }, this.#dueMs - nowMs)
    this.#timers.add(timer)
  }

  #forward() {
    const chunk = this.#queue.shift()
    if (chunk === undefined) this.#to.end()
    else if (this.#to.writable) this.#to.write(chunk)
  }
}

/** Emits 'connection', and 'sent' and 'received' with the bytes of the client and of the server as they arrive. */
class Network extends EventEmitter {
  /** The bytes that the client sent and that the server answered. */
  bytes = { sent: 0, received: 0 }
  /** Connections so far. */
  connections = 0
  delayMs = 0
  isMute = false
  #isCut = false
  #server
  #target
  #open = new Set()

  constructor(port) {
    super()
    this.#target = port
  }

  async listen() {
    this.#server = createServer((client) => this.#accept(client))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#server.unref()
    return this
  }

  get host() {
    return '127.0.0.1'
  }

  get port() {
    return this.#server.address().port
  }

  get url() {
    return `redis://${this.host}:${this.port}`
  }

  /** Every chunk arrives so much later, in both directions. */
  delay(ms) {
    this.delayMs = ms
  }

  /** Resets every connection, and every new one until `heal()`. */
  cut() {
    this.#isCut = true
    this.drop()
  }

  /** Resets the connections that are open now; new ones are welcome. */
  drop() {
    for (const { lanes } of this.#open) for (const lane of lanes) lane.end()
  }

  /** Connections stay open and nothing passes, as when a cable is pulled; new ones are accepted and as mute. */
  halfOpen() {
    this.isMute = true
  }

  /** Sends every client something that no server sent. */
  garbage(bytes) {
    for (const { client } of this.#open) client.write(bytes)
  }

  /** Sends what was held back, and everything from now on, at once. */
  heal() {
    this.delayMs = 0
    this.#isCut = false
    this.isMute = false
    for (const { lanes } of this.#open) for (const lane of lanes) lane.wake()
  }

  async stop() {
    this.drop()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #accept(client) {
    this.connections++
    this.emit('connection')
    if (this.#isCut) {
      client.on('error', () => {})
      reset(client)
      return
    }
    const server = connect(this.#target, '127.0.0.1')
    const both = [client, server]
    const lanes = [new Lane(this, client, server, 'sent'), new Lane(this, server, client, 'received')]
    const connection = { client, lanes }
    this.#open.add(connection)
    for (const socket of both) {
      socket.setNoDelay(true)
      socket.unref()
      // A reset on one side is a reset on the other.
      socket.on('error', () => {
        for (const lane of lanes) lane.end()
      })
      socket.on('close', () => {
        if (both.every(({ destroyed }) => destroyed)) this.#open.delete(connection)
      })
    }
  }
}

/** A proxy in front of a port of this machine. */
export const proxyTo = (port) => new Network(port).listen()
