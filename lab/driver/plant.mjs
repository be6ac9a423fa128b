import { SERVICE_LAWS, stream } from './random.mjs'

/**
 * The common part of the plants: no request costs anything before it is decided, a refusal costs nothing, and services are drawn one after
 * the other from a stream of their own.
 */
export class Plant {
  #law
  #service

  /**
   * @param {{ service: keyof typeof import('./random.mjs').SERVICE_LAWS }} spec
   * @param {import('./world.mjs').World} world
   */
  constructor(spec, world) {
    this.spec = spec
    this.world = world
    this.#law = SERVICE_LAWS[spec.service]
    this.#service = stream(`${world.seed}/service`)
  }

  /** @param {number} i */
  arrive(i) {
    this.world.decide(i, undefined)
  }

  /** @param {number} i */
  refused(i) {
    this.world.shed(i)
  }

  /** The length of the next service, in means. */
  drawService() {
    return this.#law(this.#service)
  }
}
