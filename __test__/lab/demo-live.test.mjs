// The live demo, all of it, with a store of its own. How long a change takes to the other nodes is not asserted.
import test from 'ava'
import { runDemo } from '../_demo.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const run = (args, env) => runDemo('live/run.mjs', args, env)

test('every check of the demo holds', async (t) => {
  t.timeout(PATIENCE_MS)
  const { code, output } = await run(['--store', 'redis'])
  t.is(code, 0, output)
  t.is(output.match(/ok: /g).length, 12, output)
  t.is(output.match(/on all nodes after \d+ ms/g).length, 2)
  t.regex(output, /taken back by itself after .* s: success of critical: 100\.0 % before, \d+\.\d % with it/)
  t.regex(output, /every check holds/)
  t.notRegex(output, /NaN|undefined|NOT OK/)
})

test('a store that there is not is refused by name, and --help helps', async (t) => {
  const wrong = await run(['--store', 'mysql'])
  t.is(wrong.code, 2)
  t.regex(wrong.output, /--store must be postgres or redis, got "mysql"/)
  const help = await run(['--help'])
  t.is(help.code, 0)
  t.regex(help.output, /--store NAME/)
})
