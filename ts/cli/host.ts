/** Facts about the machine. Each of these answers undefined where it can't be known. */

import { loadBinding } from '../addon/addon.js'
import { builtin } from '../base/builtin.js'
import { memoryLimitBytes } from '../pressure/memory.js'

const { readFileSync } = builtin('node:fs')
const { availableParallelism, cpus } = builtin('node:os')
const { connect, createServer } = builtin('node:net')

/** Of the features that a CPU has, those which arithmetic on vectors is done with. */
const FEATURES = /^(sse2|sse4_1|sse4_2|avx|avx2|fma|avx512f|avx512vl|asimd|sve|sve2)$/
const WAIT_MS = 2_000

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

export interface Cpu {
  readonly model: string
  readonly cores: number
  readonly features: readonly string[]
}

export function cpuOf(): Cpu {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(textOf('/proc/cpuinfo'))?.[1] ?? ''
  const features = line.split(/\s+/).filter((name) => FEATURES.test(name))
  return { model: cpus()[0]?.model.trim() || 'unknown', cores: availableParallelism(), features }
}

/** Limits of the container: bytes, and cores. */
export function limitsOf(): { memoryBytes?: number | undefined; cpus?: number | undefined } {
  return { memoryBytes: memoryLimitBytes(), cpus: cpuLimit() }
}

/** Nearest first: a group of this process's own, and the one that a container sees as its root. */
function cpuLimit(): number | undefined {
  const path = /^0::(.*)$/m.exec(textOf('/proc/self/cgroup'))?.[1] ?? ''
  for (const folder of [path, '']) {
    const [quota, period] = textOf(`/sys/fs/cgroup${folder === '/' ? '' : folder}/cpu.max`)
      .split(/\s+/)
      .map(Number)
    if (quota! > 0 && period! > 0) return quota! / period!
  }
  const old = (name: string): number => Number(textOf(`/sys/fs/cgroup/cpu/${name}`) || Number.NaN)
  const share = old('cpu.cfs_quota_us') / old('cpu.cfs_period_us')
  return share > 0 ? share : undefined
}

/** The version of glibc; undefined on anything else. */
export function glibcVersion(): string | undefined {
  try {
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    return header.glibcVersionRuntime
  } catch {
    return undefined
  }
}

/** Returns whether the kernel reports how long a connection's bytes have waited: asked of a connection of this process to itself. */
export async function canReadAcceptQueue(): Promise<{ readonly ok: boolean; readonly cause?: string }> {
  if (process.platform !== 'linux') return { ok: false, cause: `${process.platform} does not report it` }
  let age: (fd: number) => number
  try {
    age = (loadBinding() as { socketAgeMs(fd: number): number }).socketAgeMs
  } catch {
    return { ok: false, cause: 'it takes the native addon' }
  }
  const server = createServer()
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => resolve({ ok: false, cause: 'no connection over the loopback interface' }),
        WAIT_MS,
      )
      server.once('error', reject)
      server.on('connection', (socket) => {
        socket.once('data', () => {
          clearTimeout(timer)
          const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
          const ok = age(fd) >= 0
          socket.destroy()
          resolve(ok ? { ok } : { ok, cause: 'the kernel does not report it' })
        })
      })
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        const client = connect(port, '127.0.0.1', () => client.write('x'))
        client.on('error', () => {})
      })
    })
  } catch (error) {
    return { ok: false, cause: (error as Error).message }
  } finally {
    server.close()
  }
}
