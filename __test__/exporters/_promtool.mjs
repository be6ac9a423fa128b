// promtool and Prometheus, installed where they are missing and may be; where they cannot be had, why not.
import { spawn } from 'node:child_process'
import { provideProgram } from '../../scripts/lib/packages.mjs'

/** The reason for which there is no promtool here, and how to install it; undefined where it is. */
export const missing = await provideProgram('promtool')
if (missing !== undefined) console.error(`PROMETHEUS IS MISSING: the exporters are not checked by it.\n${missing}`)

/** Runs promtool with a text on its standard input; resolves to { code, output }. */
export const promtool = (args, input = '', cwd = undefined) =>
  new Promise((resolve, reject) => {
    const child = spawn('promtool', args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
