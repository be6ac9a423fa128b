// Nodes that share a budget over a store, in virtual time: messages are late or lost, nodes die, leave and are cut off.
import { sourceOf } from '../_source.mjs'

const { SharedBudget } = await sourceOf('swarm/shared-budget.ts')
export const { Account, documentOf } = await sourceOf('swarm/account.ts')
const { DocumentShelf } = await sourceOf('providers/documents.ts')

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export const randomOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The time after which a node gives up on an answer, ms. */
const TIMEOUT_MS = 500
const START_MS = 1_700_000_000_000
const turn = () => new Promise((resolve) => setImmediate(resolve))

export class World {
  nowMs = START_MS
  nodes = []
  /** The lead of the store's clock, ms. */
  storeAheadMs = 0
  /** Gives what the store answers in place of a document. */
  answer = undefined
  /** Called after every event. */
  check = () => {}
  #events = []
  #shelf
  #count = 0

  /** `faults`: the shares of requests and of answers that are lost, and of requests that come late. */
  constructor(random, limits, faults = {}) {
    this.random = random
    this.limits = limits
    this.faults = { lostRequests: 0, lostAnswers: 0, late: 0, lostHints: 0, ...faults }
    this.#shelf = new DocumentShelf(() => this.nowMs + this.storeAheadMs)
  }

  at(ms, run) {
    const event = { atMs: this.nowMs + ms, order: this.#count++, run }
    this.#events.push(event)
    return () => {
      event.run = () => {}
    }
  }

  /** Runs what is due within so many ms. */
  async run(ms) {
    const untilMs = this.nowMs + ms
    await turn()
    for (;;) {
      let next = -1
      for (const [n, { atMs, order }] of this.#events.entries()) {
        if (atMs > untilMs) continue
        const best = this.#events[next]
        if (next < 0 || atMs < best.atMs || (atMs === best.atMs && order < best.order)) next = n
      }
      if (next < 0) break
      const [event] = this.#events.splice(next, 1)
      this.nowMs = Math.max(this.nowMs, event.atMs)
      event.run()
      await turn()
      this.check()
    }
    this.nowMs = untilMs
  }

  add(options) {
    const node = new Node(this, options)
    this.nodes.push(node)
    return node
  }

  get account() {
    const { text } = this.#shelf.read(documentOf('crew'))
    return text ? Account.parse(text) : undefined
  }

  /** Forgets everything, as a server that restarts empty. */
  lose() {
    this.#shelf.clear()
  }

  /** Puts a text in the place of the account, as anything can that writes to the store. */
  put(text) {
    this.#shelf.write(documentOf('crew'), this.#shelf.read(documentOf('crew')).version, text)
  }

  /** Returns a function that brings back the account as it is now. */
  remember() {
    const { text } = this.#shelf.read(documentOf('crew'))
    return () => this.#shelf.write(documentOf('crew'), this.#shelf.read(documentOf('crew')).version, text)
  }

  /** One request of a node, as the network treats it. */
  request(node, work) {
    const { random, faults } = this
    if (node.hung !== undefined) return new Promise((resolve) => node.hung.push(() => resolve(work())))
    return new Promise((resolve, reject) => {
      const isLost = node.isCutOff || random() < faults.lostRequests
      const isLate = random() < faults.late
      const timeout = this.at(TIMEOUT_MS, () => node.isDead || reject(new Error('lost')))
      if (isLost) return
      this.at(isLate ? 2000 * random() : 1 + 4 * random(), () => {
        let answer
        try {
          answer = work()
        } catch (error) {
          answer = Promise.reject(error)
          answer.catch(() => {})
        }
        if (node.isDead || node.isCutOff || random() < faults.lostAnswers) return
        this.at(1 + 4 * random(), () => {
          timeout()
          if (!node.isDead) resolve(answer)
        })
      })
    })
  }

  storeOf(node) {
    return {
      readDocument: (name) =>
        this.request(node, () => (this.answer === undefined ? this.#shelf.read(name) : this.answer())),
      writeDocument: (name, version, text, options) =>
        this.request(node, () => {
          const isWritten = this.#shelf.write(name, version, text, options)
          if (isWritten) for (const other of this.nodes) if (other !== node) this.#hint(other, name)
          return isWritten
        }),
      watchDocuments: (onWrite) => {
        node.onWrite = onWrite
        return () => {
          node.onWrite = undefined
        }
      },
    }
  }

  #hint(node, name) {
    if (node.isDead || node.isCutOff || this.random() < this.faults.lostHints) return
    this.at(1 + 4 * this.random(), () => node.isDead || node.onWrite?.(name))
  }

  /** Quanta of a unit that all nodes that there were may use, or have used. */
  rightsOf(unit) {
    const rightsOf = ({ granted, used, held }) => Math.max(granted, used + held)
    return this.nodes.reduce((sum, node) => sum + rightsOf(node.cells.get(unit)), 0)
  }

  usedOf(unit) {
    return this.nodes.reduce((sum, node) => sum + node.cells.get(unit).used + node.cells.get(unit).held, 0)
  }
}

/** A process: the root of a swarm as its source sees it, and those who wait there, oldest first. */
class Node {
  name = 'crew'
  isDead = false
  isCutOff = false
  /** Calls that never settle unless they are called here; undefined: there are none. */
  hung = undefined
  cells = new Map()
  waiting = []
  onWrite = undefined

  constructor(world, { limits = world.limits, scales = {} } = {}) {
    this.world = world
    this.scales = scales
    this.ownUnits = Object.keys(limits)
    for (const unit of this.ownUnits) this.cells.set(unit, { limit: limits[unit], granted: 0, used: 0, held: 0 })
    this.source = new SharedBudget({
      store: world.storeOf(this),
      random: world.random,
      id: `node-${world.nodes.length}`,
      after: (ms, run) => world.at(ms, () => this.isDead || run()),
    })
    this.source.attach(this)
  }

  scaleOf(unit) {
    return this.scales[unit] ?? 1
  }

  limitOf(unit) {
    return this.cells.get(unit).limit
  }

  grantedOf(unit) {
    return this.cells.get(unit).granted
  }

  usedOf(unit) {
    return this.cells.get(unit).used
  }

  heldOf(unit) {
    return this.cells.get(unit).held
  }

  setGranted(unit, quanta) {
    const cell = this.cells.get(unit)
    if (!Number.isSafeInteger(quanta) || quanta < cell.used) throw new Error(`${quanta} of ${unit}, ${cell.used} used`)
    cell.granted = quanta
    this.pump()
  }

  setElsewhere(unit, used, held) {
    Object.assign(this.cells.get(unit), { usedElsewhere: used, heldElsewhere: held })
  }

  /** Reserves, or asks for more; whether it did, or undefined where no more may come. */
  #reserve(needs) {
    let has = true
    for (const [unit, need] of Object.entries(needs)) {
      const { granted, used, held } = this.cells.get(unit)
      const left = granted - used - held
      if (need > left) has = this.source.short(unit, need - left) && has !== undefined ? false : undefined
    }
    if (has !== true) return has
    for (const [unit, need] of Object.entries(needs)) this.cells.get(unit).held += need
    return true
  }

  pump() {
    while (this.waiting.length > 0) {
      const { needs, done } = this.waiting[0]
      const has = this.#reserve(needs)
      if (has === false) return
      this.waiting.shift()
      done(has === true)
    }
  }

  /**
   * A run: waits for what it needs, holds it for a while, and uses a part of it. Resolves to whether it ran.
   */
  run(needs, { forMs = 20, maxWaitMs = 2000, used = () => needs } = {}) {
    return new Promise((resolve) => {
      const begin = (has) => {
        timeout?.()
        if (!has || this.isDead) return resolve(false)
        this.world.at(forMs, () => {
          if (this.isDead) return
          const spent = used()
          for (const [unit, need] of Object.entries(needs)) {
            const cell = this.cells.get(unit)
            cell.held -= need
            cell.used += spent[unit]
          }
          this.pump()
          resolve(true)
        })
      }
      const has = this.waiting.length === 0 ? this.#reserve(needs) : false
      let timeout
      if (has === true) return begin(true)
      if (has === undefined) return resolve(false)
      const waiter = { needs, done: begin }
      timeout = this.world.at(maxWaitMs, () => {
        const place = this.waiting.indexOf(waiter)
        if (place < 0) return
        this.waiting.splice(place, 1)
        resolve(false)
        this.pump()
      })
      this.waiting.push(waiter)
    })
  }

  /** Dies at once: nothing of it runs any more. */
  kill() {
    this.isDead = true
    this.waiting.length = 0
  }
}

/** Checks what holds at every step. */
export const checked = (t, world, what) => {
  world.check = () => {
    for (const [unit, limit] of Object.entries(world.limits)) {
      const rights = world.rightsOf(unit)
      if (rights > limit || world.usedOf(unit) > rights) {
        t.fail(`${what}: ${world.usedOf(unit)} used and ${rights} granted of ${limit} ${unit}`)
        throw new Error('overspent')
      }
    }
    const { account } = world
    for (const [unit, name] of (account?.units ?? []).entries()) {
      if (account.sharers.size === 0) continue
      let [taken, held] = [account.gone[unit], 0]
      for (const { parts } of account.sharers.values()) {
        taken += parts[unit].taken
        held += parts[unit].granted - parts[unit].taken
      }
      const left = account.leftOf(unit)
      if (taken + held + left !== world.limits[name] || left < 0 || held < 0) {
        t.fail(`${what}: ${taken} taken, ${held} held and ${left} left of ${world.limits[name]} ${name}`)
        throw new Error('not conserved')
      }
    }
  }
  return world
}

/** One unit after another is used by one node until no more may come; how much it got. */
export const exhaust = async (world, node, unit, need = 1) => {
  let ran = 0
  for (let isOver = false; !isOver; ) {
    let outcome
    node.run({ [unit]: need }, { forMs: 1, maxWaitMs: 60_000 }).then((has) => {
      outcome = has
    })
    while (outcome === undefined) await world.run(50)
    if (outcome) ran += need
    else isOver = true
  }
  return ran
}
