/** Memory: what a million routes cost the engine, and whether ten million requests leave anything behind. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { WorkerProcess } from '../../scripts/lib/worker-pool.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REQUESTS = new URL('./requests.mjs', import.meta.url)

/** Resolves to what a command wrote to stdout; rejects when it fails or cannot be started. */
const outputOf = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let trouble = ''
    child.stdout.on('data', (bytes) => (out += bytes))
    child.stderr.on('data', (bytes) => (trouble += bytes))
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(trouble.trim().split('\n').slice(-3).join('\n'))),
    )
  })

/** Bytes a route, by a counting allocator in benches/memory.rs. */
const measureRoutes = async () => {
  const out = await outputOf('cargo', ['bench', '--quiet', '--bench', 'memory'])
  return JSON.parse(out.split('\n').find((line) => line.startsWith('{')))
}

/** MiB of the process after each million requests. */
const measureRequests = async () => {
  const worker = new WorkerProcess(REQUESTS, { nodeOptions: ['--expose-gc'] })
  try {
    return await worker.ask('weigh')
  } finally {
    await worker.stop()
  }
}

const STEPS = {
  routes: { says: 'a million routes (the bench is compiled first)', measure: measureRoutes },
  requests: { says: 'ten million requests', measure: measureRequests },
}

/** Both measurements; one that cannot be made is reported and left out. */
export const measureMemory = async () => {
  const memory = {}
  for (const [name, { says, measure }] of Object.entries(STEPS)) {
    console.log(`memory of ${says} …`)
    try {
      memory[name] = await measure()
    } catch (error) {
      console.error(`the memory of ${name} is left out: ${error.message}`)
      process.exitCode = 1
    }
  }
  return memory
}
