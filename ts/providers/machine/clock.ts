/**
 * The clock that the processes of a machine share: Unix time as the first of them read it, which goes on by monotonic time. The system's clock may be
 * set back or ahead while they run; what expires at a time of this clock still does so in its time, and later changes have later stamps.
 */

const { performance } = globalThis

/** Of two clocks that began within so long of each other, which one came first is not known, ms. */
const DOUBT_MS = 1_000
/** A clock that is further ahead of the system's is none, ms: a year. Behind it may be by any time: a machine without a battery begins in the past. */
const MOST_AHEAD_MS = 366 * 86_400_000

/** A clock as it travels: its name, what it showed, and the time for which there had been this clock, ms. */
export type ClockReading = readonly [id: string, nowMs: number, ageMs: number]

export class MachineClock {
  #id: string
  /** The lead of the shared clock over this process's monotonic one, and the time of that at which the shared one began, ms. */
  #offsetMs = Date.now() - performance.now()
  #beganMs = performance.now()

  /** @param id of this process: the clock has its name until that of an older one is heard of */
  constructor(id: string) {
    this.#id = id
  }

  /** Whole Unix ms; never goes back but for a clock that is older than this one. */
  nowMs(): number {
    return Math.floor(performance.now() + this.#offsetMs)
  }

  read(): ClockReading {
    const nowMs = performance.now()
    return [this.#id, nowMs + this.#offsetMs, nowMs - this.#beganMs]
  }

  /** Takes over a clock that began before this one. What is no reading counts for nothing: older versions send none. */
  learn(given: unknown): void {
    if (!Array.isArray(given)) return
    const [id, unixMs, ageMs] = given as unknown[]
    if (typeof id !== 'string' || id.length > 64 || !Number.isFinite(unixMs) || !Number.isFinite(ageMs)) return
    const nowMs = performance.now()
    const offsetMs = (unixMs as number) - nowMs
    if ((unixMs as number) < 0 || (unixMs as number) - Date.now() > MOST_AHEAD_MS) return
    if (id === this.#id) {
      // A message is late, and never early.
      this.#offsetMs = Math.max(this.#offsetMs, offsetMs)
      return
    }
    const olderMs = (ageMs as number) - (nowMs - this.#beganMs)
    if (Math.abs(olderMs) <= DOUBT_MS ? id > this.#id : olderMs < 0) return
    this.#id = id
    this.#offsetMs = offsetMs
    this.#beganMs = nowMs - (ageMs as number)
  }
}
