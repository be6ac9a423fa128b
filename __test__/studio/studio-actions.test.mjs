// The actions of operators: each is made in the instance, noted with its author, and undone by one call; orders lapse by themselves.
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { CALM, create } from '../_engine.mjs'
import { act as ask, keyOf, serve, writerOf } from './_studio.mjs'

const start = async (t, options = {}) => {
  const atrion = create()
  atrion.route('GET /a', CALM)
  const noted = []
  const studio = atrionStudio(atrion, {
    authorize: ({ headers }) => ({ role: 'write', name: headers['x-name'] ?? 'dana' }),
    onAction: (entry) => noted.push(entry),
    ...options,
  })
  const server = await serve(t, studio)
  const { viewer, token } = await writerOf(t, server)
  const key = await keyOf(viewer, 'GET /a')
  const act = (action, more) => ask(server, token, action, more)
  const order = () => [...atrion.metrics()].find(({ routeId }) => routeId === 'GET /a').order
  return { atrion, studio, server, viewer, key, act, order, noted }
}

test('an order is given, noted with its author, and undone once', async (t) => {
  const { viewer, key, act, order, noted } = await start(t)
  const { status, body } = await act(
    { kind: 'override', key, order: 'open', forS: 600 },
    { headers: { 'x-name': 'kim' } },
  )
  t.is(status, 200)
  t.is(order(), 'open')
  t.deepEqual([body.entry.by, body.entry.text], ['kim', 'GET /a: refuse everything for 10 min'])
  const { orders, audit } = await viewer.until(
    (sections) => sections.audit.length === 1 && sections.orders.length === 1,
  )
  t.is(orders[0].text, 'GET /a: refuse everything')
  t.true(orders[0].until > Date.now() + 500_000 && orders[0].until <= Date.now() + 600_000)
  t.deepEqual(audit[0], body.entry)
  t.deepEqual(noted, [body.entry])
  t.is((await act({ kind: 'undo', id: body.entry.id })).status, 200)
  t.is(order(), undefined)
  t.is((await act({ kind: 'undo', id: body.entry.id })).status, 400, 'once')
  t.is(noted.length, 2)
  const after = await viewer.until((sections) => sections.audit.length === 2)
  t.deepEqual(
    after.audit.map(({ by, canUndo }) => [by, canUndo]),
    [
      ['dana', false],
      ['kim', false],
    ],
  )
})

test('an order lapses by itself, and says so', async (t) => {
  const { viewer, key, act, order } = await start(t)
  t.is((await act({ kind: 'override', key, order: 'closed', forS: 1 })).status, 200)
  t.is(order(), 'closed')
  await viewer.until(({ audit }) =>
    audit.some(({ by, text }) => by === 'Studio' && text === 'GET /a: order has lapsed'),
  )
  t.is(order(), undefined)
  await viewer.until(({ orders }) => orders.length === 0)
})

test('an order of code that came later is not lifted by the end of an earlier one', async (t) => {
  const { atrion, viewer, key, act, order } = await start(t)
  await act({ kind: 'override', key, order: 'closed', forS: 1 })
  atrion.override('GET /a', 'open')
  await viewer.until(({ changes }) => changes.some(({ text }) => text === 'GET /a: refuse everything'))
  const { body } = await act({ kind: 'override', key, order: 'closed', forS: 2 })
  atrion.override('GET /a', 'open')
  t.is((await act({ kind: 'undo', id: body.entry.id })).status, 400, 'nor by an undo')
  const seen = viewer.events.length
  await viewer.until(
    ({ orders }) => orders.every(({ until }) => until === null || until > Date.now()) && viewer.events.length > seen,
  )
  t.is(order(), 'open')
})

test('a dry run has an end, and may be undone', async (t) => {
  const { atrion, viewer, act, key } = await start(t)
  const { body } = await act({ kind: 'dryRun', on: true, forS: 60 })
  await viewer.until(({ process, orders }) => process.isDryRun && orders.some(({ text }) => /^Dry run/.test(text)))
  await act({ kind: 'override', key, order: 'open', forS: 60 })
  t.true(atrion.route('GET /a', CALM).allow, 'everything is admitted')
  t.is((await act({ kind: 'undo', id: body.entry.id })).status, 200)
  t.false(atrion.route('GET /a', CALM).allow)
  await act({ kind: 'dryRun', on: true, forS: 1 })
  await viewer.until(({ audit }) => audit.some(({ text }) => text === 'Dry run has lapsed'))
  t.false(atrion.route('GET /a', CALM).allow)
})

test('settings: a preview changes nothing, a change does, and an undo takes it back', async (t) => {
  const { atrion, act, key, viewer } = await start(t)
  const preview = (changes, of = null) => act({ key: of, changes }, { path: '/atrion/preview' })
  const changes = { 'slo.maxAcceptableLatencyMs': 200, 'limits.max': 50, baseResistance: 12 }
  t.deepEqual((await preview(changes)).body.differences.sort(), [
    'baseResistance 10 → 12',
    'limits.initial 512 → 50',
    'limits.max 100000 → 50',
    'slo.maxAcceptableLatencyMs 500 → 200',
  ])
  t.is(atrion.getRouteProfile('GET /a'), 'STANDARD')
  const { body } = await act({ kind: 'configure', key, changes })
  t.is(body.entry.by, 'dana')
  t.like(atrion.getRouteProfile('GET /a'), {
    slo: { maxAcceptableLatencyMs: 200 },
    limits: { max: 50 },
    baseResistance: 12,
  })
  t.deepEqual((await preview(changes, key)).body.differences, [])
  t.is((await act({ kind: 'configure', key, changes })).status, 400, 'nothing would change')
  t.is((await act({ kind: 'undo', id: body.entry.id })).status, 200)
  t.deepEqual((await preview(changes, key)).body.differences.length, 4)

  // A group of settings that a route was given before keeps what is not changed.
  atrion.setRouteProfile('GET /a', { limits: { min: 5, max: 80 }, slo: { baselineLatencyMs: 70 } })
  const some = { 'limits.max': 60, 'slo.maxAcceptableLatencyMs': 222 }
  const foreseen = (await preview(some, key)).body.differences
  const done = await act({ kind: 'configure', key, changes: some })
  t.is(done.body.entry.text, `GET /a: ${foreseen.join(', ')}`, 'what was foreseen is what was done')
  t.like(atrion.getRouteProfile('GET /a'), { limits: { min: 5, max: 60 }, slo: { baselineLatencyMs: 70 } })
  t.is((await act({ kind: 'undo', id: done.body.entry.id })).status, 200)

  const all = await act({ kind: 'configure', key: null, changes: { 'slo.maxAcceptableLatencyMs': 300 } })
  t.is(all.status, 200)
  await viewer.until(({ changes: list }) =>
    list.some(({ text }) => /^All routes: slo\.maxAcceptableLatencyMs 500 → 300$/.test(text)),
  )
  atrion.configure({ slo: { maxAcceptableLatencyMs: 400 } })
  const late = await act({ kind: 'undo', id: all.body.entry.id })
  t.is(late.status, 400, 'not over a later change')
  t.regex(late.body.error, /changed again/)
})

test('a value out of its range is refused by name, and changes nothing', async (t) => {
  const { atrion, act, key, order } = await start(t)
  for (const [action, pattern] of [
    [{ kind: 'override', key, order: 'open' }, /forS/],
    [{ kind: 'override', key, order: 'open', forS: 0 }, /forS/],
    [{ kind: 'override', key, order: 'open', forS: 1e9 }, /forS/],
    [{ kind: 'override', key, order: 'ajar', forS: 60 }, /order/],
    [{ kind: 'override', key: 'GET /a', order: 'open', forS: 60 }, /no such route/],
    [{ kind: 'dryRun', on: 'yes', forS: 60 }, /on/],
    [{ kind: 'dryRun', on: true }, /forS/],
    [{ kind: 'configure', key, changes: { 'slo.maxAcceptableLatencyMs': -1 } }, /slo\.maxAcceptableLatencyMs/],
    [{ kind: 'configure', key, changes: { 'limits.max': 'many' } }, /limits\.max/],
    [{ kind: 'configure', key, changes: { nonsense: 1 } }, /nonsense/],
    [{ kind: 'configure', key, changes: { 'a.b.c': 1 } }, /a\.b\.c/],
    [{ kind: 'configure', key, changes: JSON.parse('{"__proto__": 1}') }, /__proto__|changes/],
    [{ kind: 'configure', key, changes: {} }, /changes/],
    [{ kind: 'configure', key }, /changes/],
    [{ kind: 'undo', id: 99 }, /undo/],
    [{ kind: 'note', text: ' ' }, /text/],
    [{ kind: 'drop' }, /kind/],
  ]) {
    const { status, body } = await act(action)
    t.is(status, 400, `${JSON.stringify(action)} ${JSON.stringify(body)}`)
    t.regex(body.error, pattern)
  }
  t.is(order(), undefined)
  t.is(atrion.getRouteProfile('GET /a'), 'STANDARD')
})

test('a log of the host that throws undoes no action', async (t) => {
  const { act, key, order } = await start(t, {
    onAction() {
      throw new Error('full disk')
    },
  })
  t.is((await act({ kind: 'override', key, order: 'open', forS: 60 })).status, 200)
  t.is(order(), 'open')
})

test('lists are bounded', async (t) => {
  const { act, viewer } = await start(t)
  for (let i = 0; i < 300; i++) await act({ kind: 'note', text: `${i}` })
  const { changes, audit } = await viewer.until((sections) => sections.audit[0]?.text === 'Noted: 299')
  t.true(changes.length <= 40 && audit.length <= 40)
})

test('patches and bans are in the trail, those from before Studio recorded as well', async (t) => {
  const atrion = create()
  const patch = (changes, more) => atrion.patch({ base: atrion.config.version, changes, ...more })
  const { version } = await patch({ limits: { max: 90 } }, { author: 'ana', reason: 'load' })
  const studio = atrionStudio(atrion, { authorize: () => ({ role: 'write', name: 'dana' }) })
  const { viewer } = await writerOf(t, await serve(t, studio))
  const first = await viewer.until(({ audit }) => audit.length === 1)
  t.like(first.audit[0], { by: 'ana', text: `Patch ${version} of the node applied: limits.max (load)`, canUndo: false })
  await atrion.patch({ base: 0, changes: { limits: { max: 9 } }, author: 'ben' })
  const { id } = atrion.ban('evil')
  atrion.unban(id)
  const { audit } = await viewer.until((sections) => sections.audit.length === 4)
  t.deepEqual(
    audit.map(({ by, text }) => [by, text.replace(/until .*Z /, '')]),
    [
      ['operator', `Ban ${id} lifted`],
      ['operator', `ban ${id} (manual)`],
      [
        'ben',
        `Patch of the node refused: limits.max (the configuration is at version ${version}, not 0, by ana: limits.max)`,
      ],
      ['ana', `Patch ${version} of the node applied: limits.max (load)`],
    ],
  )
})
