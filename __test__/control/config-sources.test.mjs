// The file's layer: a file that is replaced, written half, wrong or gone; YAML; anything with subscribe().
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from 'atrion'
import test from 'ava'
import { create } from '../_engine.mjs'
import { eventOf, patch } from './_cluster.mjs'

const folderOf = async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'atrion-config-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

const maxOf = (atrion) => atrion.config.explain('limits.max').value

test('a file is the whole of its layer, and is read again when it is replaced', async (t) => {
  const folder = await folderOf(t)
  const file = join(folder, 'limits.json')
  const write = async (text) => {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  await write('{"limits": {"max": 200}, "overrides": {"r": "open", "s": null}}')
  const atrion = create()
  const stop = await atrion.config.watchFile(file, { intervalMs: 20 })
  t.is(maxOf(atrion), 200)
  t.like(atrion.config.explain('limits.max').layers[0], { layer: 'file', reason: `file ${file}` })
  await patch(atrion, { limits: { max: 50 } }, { layer: 'node' })
  t.is(maxOf(atrion), 50, 'a patch is over it')
  const replaced = eventOf(atrion, 'patch')
  await write('{"limits": {"max": 100, "min": 3}}')
  t.like(await replaced, { layer: 'file', state: 'applied' })
  t.like([maxOf(atrion), atrion.config.explain('limits.min').value], [50, 3])
  t.is(atrion.config.explain('overrides.r').value, null)
  for (const text of [
    '{"limits": {"max"',
    '',
    '{"limits": {"max": -1}}',
    '{"keySecret": "a secret of this service"}',
    '[]',
    '{"limits": {"min": 60}}',
  ]) {
    const refused = eventOf(atrion, 'patch_refused')
    await write(text)
    const { layer, error } = await refused
    t.is(layer, 'file')
    t.false(error.message.includes('a secret of this'))
    t.is(atrion.config.explain('limits.min').value, 3, 'the last good content holds')
  }
  await rm(file)
  await eventOf(atrion, 'patch_refused')
  const back = eventOf(atrion, 'patch')
  await write('{}')
  await back
  t.is(atrion.config.explain('limits.min').value, 1)
  stop()
  t.deepEqual(
    atrion.config
      .audit()
      .filter(({ layer }) => layer === 'file')
      .map(({ state }) => state),
    ['applied', 'applied', 'applied'],
  )
})

test('YAML by the package of the application, any format by a function', async (t) => {
  const folder = await folderOf(t)
  const file = join(folder, 'limits.yaml')
  await writeFile(file, 'limits:\n  max: 70\nroutes:\n  GET /a: HEAVY\n')
  const atrion = create()
  const stop = await atrion.config.watchFile(file)
  t.is(maxOf(atrion), 70)
  t.is(atrion.config.explain('routes.GET /a.profile').value, 'HEAVY')
  stop()
  const ini = join(folder, 'limits.ini')
  await writeFile(ini, 'max=60')
  const parse = (text) => ({ limits: { max: Number(text.split('=')[1]) } })
  ;(await atrion.config.watchFile(ini, { parse }))()
  t.is(maxOf(atrion), 60)
  await writeFile(ini, 'max=10')
  await t.throwsAsync(atrion.config.watchFile(join(folder, 'none.json')), { code: 'ENOENT' })
  await t.throwsAsync(atrion.config.watchFile(''), { instanceOf: TypeError })
  await t.throwsAsync(atrion.config.watchFile(ini, { intervalMs: 1 }), { instanceOf: ConfigError })
  await t.throwsAsync(atrion.config.watchFile(ini, { pars: parse }), { instanceOf: ConfigError })
  t.is(maxOf(atrion), 60, 'a watch that ended changes nothing')
})

test('a source is taken over, refused, and ended', async (t) => {
  const atrion = create()
  let listener
  let ended = 0
  const stop = atrion.config.subscribe({
    subscribe: (given) => {
      listener = given
      return { unsubscribe: () => (ended += 1) }
    },
  })
  listener({ limits: { max: 40 } })
  t.is(maxOf(atrion), 40)
  const refused = eventOf(atrion, 'patch_refused')
  listener({ limits: () => 1 })
  t.true((await refused).error instanceof ConfigError)
  listener({ slo: { maxAcceptableLatencyMs: 90 } })
  t.is(maxOf(atrion), 100_000, 'each value replaces the one before')
  stop()
  stop()
  t.is(ended, 1)
  listener({ limits: { max: 1 } })
  t.is(maxOf(atrion), 100_000)
  for (const source of [undefined, null, {}, 7]) {
    t.throws(() => atrion.config.subscribe(source), { instanceOf: TypeError })
  }
})
