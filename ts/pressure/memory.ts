/** Memory against its limits: V8's heap, and the control group of the container. */

import { builtin } from '../base/builtin.js'

const { readFileSync } = builtin('node:fs')
const { getHeapStatistics } = builtin('node:v8')

/** The shares of a hard limit from which it counts, and at which it is full. A heap that is 70 % full is healthy. */
const EASY_SHARE = 0.8
const FULL_SHARE = 0.95
/** A heap is full of garbage just before it is collected: only what stays for this many samples counts. */
const HEAP_SAMPLES = 10
/** V8's limit includes its nursery, which survivors can't stay in: three semi-spaces of 16 MiB, bytes. */
const NURSERY_BYTES = 3 * 2 ** 24
/** Files of the control group are read this often, ms. */
const CGROUP_MS = 1_000
/** Version 1 says "no limit" by a number of this size, bytes. */
const UNLIMITED_BYTES = 2 ** 60

/** From a share of a limit to occupancy, [0, 1]: 0.9 is 0.67, where the lowest tiers begin to go. */
function occupancyOf(share: number): number {
  const occupancy = (share - EASY_SHARE) / (FULL_SHARE - EASY_SHARE)
  return occupancy > 0 ? Math.min(occupancy, 1) : 0
}

/** The occupancy of V8's heap. */
export class Heap {
  readonly #shares = new Float64Array(HEAP_SAMPLES)
  #next = 0

  occupancy(): number {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    this.#shares[this.#next] = used / Math.max(limit - NURSERY_BYTES, limit / 2)
    this.#next = (this.#next + 1) % HEAP_SAMPLES
    return occupancyOf(Math.min(...this.#shares))
  }
}

interface Group {
  readonly usage: string
  readonly limit: string
  readonly stat: string
  readonly inactive: RegExp
}

/** The groups that may bound this process, nearest first. */
function candidates(): Group[] {
  let lines: string[] = []
  try {
    lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n')
  } catch {
    // Not Linux, or no control groups.
  }
  const groups: Group[] = []
  for (const line of lines) {
    const [, controllers, path = ''] = line.split(':')
    for (const place of new Set([path, ''])) {
      const at = place === '/' ? '' : place
      if (controllers === '') groups.push(version2(`/sys/fs/cgroup${at}`))
      else if (controllers?.split(',').includes('memory')) groups.push(version1(`/sys/fs/cgroup/memory${at}`))
    }
  }
  return groups
}

const version2 = (folder: string): Group => ({
  usage: `${folder}/memory.current`,
  limit: `${folder}/memory.max`,
  stat: `${folder}/memory.stat`,
  inactive: /^inactive_file (\d+)/m,
})

const version1 = (folder: string): Group => ({
  usage: `${folder}/memory.usage_in_bytes`,
  limit: `${folder}/memory.limit_in_bytes`,
  stat: `${folder}/memory.stat`,
  inactive: /^total_inactive_file (\d+)/m,
})

/** The limit of the container's memory, bytes; undefined where there is none. */
export function memoryLimitBytes(): number | undefined {
  const group = candidates().find((one) => limitOf(one) !== undefined)
  return group && limitOf(group)
}

/** The occupancy of the container's memory. Cached files, which the kernel can drop at once, are not counted. */
export class ControlGroup {
  #group: Group | null | undefined
  #readMs = Number.NEGATIVE_INFINITY
  #occupancy = 0

  occupancy(nowMs: number): number {
    if (this.#group === undefined) this.#group = candidates().find((group) => limitOf(group) !== undefined) ?? null
    if (this.#group !== null && nowMs - this.#readMs >= CGROUP_MS) {
      this.#readMs = nowMs
      this.#occupancy = occupancyIn(this.#group)
    }
    return this.#occupancy
  }
}

function limitOf(group: Group): number | undefined {
  try {
    const bytes = Number(readFileSync(group.limit, 'utf8'))
    return bytes > 0 && bytes < UNLIMITED_BYTES ? bytes : undefined
  } catch {
    return undefined
  }
}

function occupancyIn(group: Group): number {
  try {
    const limit = limitOf(group)
    if (limit === undefined) return 0
    const inactive = Number(group.inactive.exec(readFileSync(group.stat, 'utf8'))?.[1] ?? 0)
    return occupancyOf((Number(readFileSync(group.usage, 'utf8')) - inactive) / limit)
  } catch {
    return 0
  }
}
