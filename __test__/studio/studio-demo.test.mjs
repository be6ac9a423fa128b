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

closed('it runs for the seconds that are asked for, through an incident', async (t) => {
  const { child, ended, printed } = run('--seconds', '7', '--every', '5')
  t.teardown(() => child.kill('SIGKILL'))
  const [, address] = await printed(ADDRESS)
  const page = await fetch(address)
  t.is(page.status, 200)
  t.regex(await page.text(), /Atrion Studio/)
  const { code, output } = await ended
  t.is(code, 0, output)
  t.regex(output, /calm\n.*zombie/)
  await t.throwsAsync(fetch(address))
})

closed('a signal ends it', async (t) => {
  if (process.platform === 'win32') return t.pass('signals there end a process at once')
  const { child, ended, printed } = run()
  t.teardown(() => child.kill('SIGKILL'))
  await printed(ADDRESS)
  child.kill('SIGINT')
  t.is((await ended).code, 0)
})
