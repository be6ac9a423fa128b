// Runs a demo as a user does, without colours.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PATIENCE_MS } from './_patience.mjs'

/**
 * Resolves to what a demo printed, on stdout and stderr together, and its exit code.
 *
 * @param {string} file of the folder demo/
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
export const runDemo = (file, args, env = {}) => {
  const path = fileURLToPath(new URL(`../demo/${file}`, import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path, ...args], {
      timeout: PATIENCE_MS,
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
