// A slice of the attack table, and its command.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import express4 from 'express4'
import express5 from 'express5'
import * as keys from '../../lab/attacks/keys.mjs'
import { appOf, SPELLINGS, spelt } from '../../lab/attacks/names.mjs'
import { ask, close, create } from '../_adapters.mjs'
import { idle } from '../_routes.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const run = (...args) => spawnSync(process.execPath, [join(ROOT, 'lab/attacks/run.mjs'), ...args], { encoding: 'utf8' })

for (const { id, title, atLeast, run } of keys.attacks) {
  test(`${id}: ${title}`, async (t) => {
    const { without, under } = await run()
    t.true(without > 0.3, `${without} where nothing is chosen`)
    t.true(under / without >= atLeast, `${under} of ${without}`)
  })
}

for (const [name, express] of Object.entries({ 'Express 4': express4, 'Express 5': express5 })) {
  test(`${name}: ${SPELLINGS} spellings through three mounts are three routes`, async (t) => {
    const atrion = create()
    const server = await appOf(express, atrion, (done) => done())
    t.teardown(() => close(server))
    for (let n = 0; n < SPELLINGS; n += 16) {
      const asked = Array.from({ length: 16 }, (_, i) => ask(server, spelt[(n + i) % 3](n + i)))
      for (const { status } of await Promise.all(asked)) t.is(status, 200)
    }
    await idle(atrion)
    t.is(atrion.getRoutes().length, 3, atrion.getRoutes().join(' | '))
    t.is(
      atrion.getRoutes().reduce((sum, id) => sum + atrion.stats(id).admitted, 0),
      SPELLINGS,
    )
  })
}

test('npm run attacks: lists, plays what is asked for, and refuses what is none', (t) => {
  const list = run('--list')
  t.is(list.status, 0)
  for (const id of ['keys-served', 'uploads', 'http2-bodies', 'liar-50', 'flood-subscribe'])
    t.true(list.stdout.includes(id))
  const played = run('--only', 'keys-long')
  t.is(played.status, 0, played.stdout + played.stderr)
  t.regex(played.stdout, / ok {2,}keys that differ after 2,000 characters.*≥ 0\.95/)
  t.regex(played.stdout, /1 of 1 bounds are met/)
  const none = run('--only', 'nothing')
  t.is(none.status, 2)
  t.regex(none.stderr, /keys-long/)
  t.is(run('--help').status, 0)
})
