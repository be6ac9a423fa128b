// Child processes, for what must be seen from outside: whether a process ends by itself, crashes, or grows.

import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engine } from './_engine.mjs'
import { PATIENCE_MS } from './_patience.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))

/**
 * Runs a script and waits for its end; kills it after `limitMs`, which is far more than it takes: only what hangs gets
 * there.
 */
export const runScript = (path, { args = [], nodeOptions = [], ...options } = {}) =>
  runNode([...nodeOptions, join(HERE, path), ...args], options)

/** The same with a module's code. */
export const runCode = (code, { nodeOptions = [], ...options } = {}) =>
  runNode([...nodeOptions, '--input-type=module', '--eval', code], options)

const runNode = (args, { limitMs = PATIENCE_MS, cwd } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: cwd ?? dirname(HERE),
      env: { ...process.env, ATRION_ENGINE: engine },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) {
      child[stream].setEncoding('utf8').on('data', (text) => {
        output[stream] += text
      })
    }
    let hung = false
    const limit = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, limitMs)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      resolve({ code, signal, hung, ...output })
    })
  })

/** Asserts that a child came to a good end by itself. */
export const endedWell = (t, { code, signal, hung, stderr, stdout }) => {
  t.false(hung, `it did not end by itself: ${stdout}${stderr}`)
  t.is(signal, null, stderr)
  t.is(code, 0, stderr || stdout)
}
