// The runner of commands: output, exit codes, and the end of commands that hang.
import test from 'ava'
import { run } from '../../scripts/lib/process.mjs'

const quiet = (code, options) => run(process.execPath, ['-e', code], { quiet: true, ...options })

test('output and code of a command are kept', async (t) => {
  const { code, output } = await quiet('console.log(1); console.error(2); process.exitCode = 3')
  t.is(code, 3)
  t.deepEqual(output.split('\n').sort(), ['1', '2'])
  t.is((await run('no-such-command-anywhere', [], { quiet: true })).code, 127)
})

test('a command that prints nothing any more is ended, though another process holds its output', async (t) => {
  const hangs = 'console.log("begun"); setInterval(() => {}, 1000)'
  const leaves = `require('node:child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20_000)'],
    { stdio: 'inherit', detached: true }).unref(); console.log('begun')`
  const lines = []
  for (const code of [hangs, leaves]) {
    const end = await quiet(code, { silentMs: 2000, onLine: (line) => lines.push(line) })
    t.is(end.code, 124)
    t.regex(end.output, /printed nothing for 2 s and was ended/)
  }
  t.is(lines.length, 4)
})

test('a command that goes on printing goes on', async (t) => {
  const code = 'let n = 0; const id = setInterval(() => { console.log(n); if (++n === 20) clearInterval(id) }, 100)'
  const { code: end, output } = await quiet(code, { silentMs: 60_000 })
  t.is(end, 0)
  t.is(output.split('\n').length, 20)
})
