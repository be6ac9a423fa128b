import { Plant } from './plant.mjs'

/**
 * @typedef {object} FreeSpec a dependency that nothing queues for: every answer takes as long as if it were alone
 * @property {'free'} kind
 * @property {number} perS the rate of arrivals that counts as load 1
 * @property {number} serviceMs mean latency
 * @property {keyof typeof import('./random.mjs').SERVICE_LAWS} service
 * @property {number} deadlineMs
 * @property {import('./curve.mjs').Curve} [speed] an answer begun now takes 1/speed of its time, default 1
 */

/** Answers everything after its own time, however much of it there is. */
export class FreePlant extends Plant {
  /** @param {number} i */
  admitted(i) {
    const { serviceMs, speed } = this.spec
    const { log, nowMs } = this.world
    const work = this.drawService() * this.world.flowOf(i).work
    log.startedMs[i] = nowMs
    log.work[i] = work
    this.world.schedule(nowMs + (work * serviceMs) / (speed === undefined ? 1 : speed(nowMs)), this, i)
  }

  /** The answer of request i. @param {number} i */
  handle(i) {
    this.world.finish(i, !this.world.fails(i))
  }

  /** Nothing has to be freed. */
  cancel() {}
}
