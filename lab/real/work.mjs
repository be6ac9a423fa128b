import { pbkdf2Sync } from 'node:crypto'
import { exponential, stream } from '../driver/random.mjs'

/**
 * @typedef {object} RealPlant
 * @property {'cpu' | 'pool'} kind
 * @property {number} serviceMs mean
 * @property {number} deadlineMs
 * @property {number} [rounds] cpu: rounds of hashing that take about serviceMs here
 * @property {number} [workers] pool: how many work at once
 */

/** Hashes; the thread is busy for the while. */
export const hash = (rounds) => pbkdf2Sync('password', 'salt', rounds, 32, 'sha256')

/** Rounds of hashing that take this long on this machine when it is free: the quickest of several tries. */
export function roundsFor(ms) {
  const PROBE = 20_000
  hash(PROBE)
  let quickestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < 41; i += 1) {
    const startMs = performance.now()
    hash(PROBE)
    quickestMs = Math.min(quickestMs, performance.now() - startMs)
  }
  return Math.max(1, Math.round((PROBE * ms) / quickestMs))
}

/**
 * The handler's work.
 * @param {RealPlant} plant
 * @returns {{ work: () => Promise<void> | void, drawn: { count: number, sumMs: number } }} `drawn`: service times of a
 *   pool so far
 */
export function workOf(plant) {
  const drawn = { count: 0, sumMs: 0 }
  if (plant.kind !== 'pool') return { work: () => void hash(plant.rounds), drawn }
  const uniform = stream('real/service')
  const waiting = []
  let free = plant.workers
  const begin = (done) => {
    const tookMs = plant.serviceMs * exponential(uniform)
    drawn.count += 1
    drawn.sumMs += tookMs
    setTimeout(() => {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else begin(next)
      done()
    }, tookMs)
  }
  const work = () =>
    new Promise((done) => {
      if (free === 0) return void waiting.push(done)
      free -= 1
      begin(done)
    })
  return { work, drawn }
}
