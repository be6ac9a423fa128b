// `npm run demo:studio`: it prints the address of Studio, which is there, and ends by itself or by a signal.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { engine } from '../_engine.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
// The adapters need the closed loop.
const closed = engine === 'ts' ? test.skip : test

const run = (...args) => {
  const child = spawn(process.execPath, ['demo/studio/run.mjs', ...args], { cwd: ROOT })
  let output = ''
  const seen = new Set()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (more) => {
      output += more
      for (const one of seen) one()
    })
  }
  const ended = new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
  const printed = (pattern) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output)
        if (found) resolve(found)
      }
      seen.add(look)
      look()
      ended.then(() => reject(new Error(`not printed: ${pattern}: ${output}`)))
    })
  return { child, ended, printed }
}

const ADDRESS = /Atrion Studio is at (http:\/\/127\.0\.0\.1:\d+\/atrion)/

closed('it shows an incident, until a signal ends it', async (t) => {
  const { child, ended, printed } = run('--every', '5')
  t.teardown(() => child.kill('SIGKILL'))
  const [, address] = await printed(ADDRESS)
  const page = await fetch(address)
  t.is(page.status, 200)
  t.regex(await page.text(), /Atrion Studio/)
  await printed(/calm\n(?: {10}.*\n)*.*zombie/)
  child.kill('SIGINT')
  const { code, output } = await ended
  // A signal ends a process of Windows at once.
  if (process.platform !== 'win32') t.is(code, 0, output)
  await t.throwsAsync(fetch(address))
})

closed('it runs for the seconds that are asked for, and ends by itself', async (t) => {
  const { child, ended } = run('--seconds', '5')
  t.teardown(() => child.kill('SIGKILL'))
  const { code, output } = await ended
  t.is(code, 0, output)
  const [, address] = ADDRESS.exec(output)
  await t.throwsAsync(fetch(address))
})
