// The grid: that it asks what it says, judges as it says, and draws what it judged.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { CEILINGS } from '../../lab/contestants/ceiling.mjs'
import { fixedLimit } from '../../lab/contestants/limit.mjs'
import { none } from '../../lab/contestants/none.mjs'
import { cellsOf, DEADLINES, keyOf, LAWS, LOADS, SERVERS, scenarioOf } from '../../lab/grid/cells.mjs'
import { heatMaps } from '../../lab/grid/heat.mjs'
import { figuresOf, referenceOf } from '../../lab/grid/play.mjs'
import { missesOf, playedOf, recordOf } from '../../lab/grid/record.mjs'
import { summary } from '../../lab/grid/summary.mjs'

const cell = (servers, deadline, load, law = 'exponential') => ({ servers, deadline, load, law })

/** A record of the quick grid in which every cell has the same figures, but for those of `change`. */
function recordLike(figures, change = () => ({})) {
  const reference = { noGuard: { success: 1 }, good: 1000, top: 1 }
  const results = new Map(
    cellsOf(true).map((c) => {
      const overload = c.load > 1 ? { ...reference, noGuard: { success: 0 } } : reference
      return [keyOf(c), { reference: overload, figures: { ...figures, ...change(c) } }]
    }),
  )
  return recordOf({ quick: true, law: 'test', seed: 1 }, results)
}

const GOOD = { shedCold: 0, shed: 0, good: 1000, success: 1, top: 1 }

test('the grid is every combination once', (t) => {
  const cells = cellsOf()
  t.is(cells.length, SERVERS.length * DEADLINES.length * LOADS.length * LAWS.length)
  t.is(cells.length, 1260)
  t.is(new Set(cells.map(keyOf)).size, cells.length)
  t.true(cellsOf(true).every((c) => cells.some((other) => keyOf(other) === keyOf(c))))
})

test('a cell has thousands of requests in its window, and a growing queue is given time to reach the deadline', (t) => {
  for (const c of cellsOf()) {
    const { durationS, warmS, plant } = scenarioOf(c)
    const perS = (c.load * c.servers * 1000) / plant.serviceMs
    t.true(perS * (durationS - warmS) >= 5999, keyOf(c))
    t.is(plant.deadlineMs / plant.serviceMs, c.deadline)
    const filledS = plant.deadlineMs / 1000 / (c.load - 1)
    if (c.load > 1 && filledS * perS < 20_000) t.true(warmS >= filledS, keyOf(c))
  }
})

test('a cell repeats to the bit, and another seed is another draw', async (t) => {
  const c = cell(4, 5, 1.2, 'lognormal')
  const first = await figuresOf(c, CEILINGS[0], 1)
  t.deepEqual(await figuresOf(c, CEILINGS[0], 1), first)
  t.notDeepEqual(await figuresOf(c, CEILINGS[0], 2), first)
})

test('the ceiling is all requests when calm, and the capacity of the servers when not', async (t) => {
  const calm = await referenceOf(cell(10, 10, 0.6), 1)
  t.is(calm.noGuard.success, 1)
  t.is(calm.top, 1)
  const over = cell(10, 10, 3)
  const reference = await referenceOf(over, 1)
  t.true(reference.noGuard.success < 0.05)
  t.true(reference.top > 0.99)
  const { durationS, warmS } = scenarioOf(over)
  const capacity = (durationS - warmS) * 200
  t.true(Math.abs(reference.good / capacity - 1) < 0.06, `${reference.good} of ${capacity}`)
})

test('negative controls fall short: no guard in overload, one that refuses in calm', async (t) => {
  const play = async (c, entrant) => {
    const results = new Map(
      cellsOf(true).map((other) => [
        keyOf(other),
        { reference: { noGuard: { success: 1 }, good: 1, top: 1 }, figures: GOOD },
      ]),
    )
    results.set(keyOf(c), { reference: await referenceOf(c, 1), figures: await figuresOf(c, entrant, 1) })
    const played = playedOf(recordOf({ quick: true, law: 'test', seed: 1 }, results)).find(
      (p) => keyOf(p.cell) === keyOf(c),
    )
    return { kind: played.kind, short: missesOf(played).map(({ figure }) => figure) }
  }
  const stuck = { create: () => fixedLimit(5, 'five') }
  t.deepEqual(await play(cell(10, 5, 3), none), { kind: 'overload', short: ['goodput', 'top'] })
  t.deepEqual(await play(cell(10, 30, 0.6), none), { kind: 'calm', short: [] })
  t.deepEqual(await play(cell(10, 30, 0.6), stuck), { kind: 'calm', short: ['shed', 'shedCold'] })
  t.is((await play(cell(1, 2, 0.6), none)).kind, 'tight')
})

test('the verdict: the targets of each kind of cell, and by how much they are missed', (t) => {
  t.deepEqual(playedOf(recordLike(GOOD)).flatMap(missesOf), [])
  const refusing = playedOf(recordLike({ ...GOOD, shed: 0.004 })).filter((played) => missesOf(played).length > 0)
  // Half a per cent is allowed where the deadline is short.
  t.true(refusing.length > 0 && refusing.every(({ cell: c, kind }) => kind === 'calm' && c.deadline >= 5))
  const weak = playedOf(recordLike({ ...GOOD, good: 920, top: 0.97 })).filter(({ kind }) => kind === 'overload')
  for (const played of weak) {
    t.deepEqual(
      missesOf(played).map(({ figure }) => figure),
      played.cell.deadline < 5 ? [] : ['goodput', 'top'],
    )
  }
})

test('a record loses nothing that the verdict needs', (t) => {
  const record = recordLike({ shedCold: 0.1234, shed: 0.0011, good: 955, success: 0.9, top: 0.985 })
  const again = JSON.parse(JSON.stringify(record))
  t.deepEqual(playedOf(again), playedOf(record))
  t.is(playedOf(record)[0].shedCold, 0.1234)
})

test('the summary counts and names the worst', (t) => {
  const worst = cellsOf(true).find(({ load, deadline }) => load < 1 && deadline === 30)
  const text = summary(recordLike(GOOD, (c) => (keyOf(c) === keyOf(worst) ? { shed: 0.5 } : {})))
  t.regex(text, /1 of 27 cells: calm, refused beyond/)
  t.true(text.includes(`${keyOf(worst).padEnd(42)} refused 0.00 % then 50.00 %`))
  t.regex(text, /0 of 27 cells: overload, goodput below/)
})

test('the heat maps are one picture that says every cell, with the former law beside this one', (t) => {
  const svg = heatMaps([recordLike(GOOD), recordLike({ ...GOOD, good: 100 })])
  const count = (pattern) => svg.match(pattern)?.length ?? 0
  // Calm cells once, overloaded ones twice, for two laws.
  t.is(count(/<title>/g), 2 * (27 + 2 * 27))
  t.is(count(/<svg/g), 1)
  t.is(count(/<rect/g), count(/<rect[^>]*(\/>|>(<title>[^<]*<\/title>)?<\/rect>)/g))
  t.regex(svg, /prefers-color-scheme: dark/)
  t.false(/NaN|undefined|href="http|<script/.test(svg))
  t.regex(svg, /0 of 27 short of the target/)
  t.regex(svg, /27 of 27 short of the target/)
})

test('the record of the former law is whole', (t) => {
  const text = readFileSync(new URL('../../lab/record/grid-before.json', import.meta.url), 'utf8')
  t.true(text.length < 300_000)
  const played = playedOf(JSON.parse(text))
  t.is(played.length, 1260)
  t.true(played.every(({ noGuard, shed, goodput, top }) => [noGuard, shed, goodput, top].every(Number.isFinite)))
  // The record is kept for the cells that miss a target.
  t.true(played.filter((p) => p.kind === 'calm' && missesOf(p).length > 0).length > 100)
})

test('the command line plays a slice, lets guests in, and writes nothing then', async (t) => {
  const arena = fileURLToPath(new URL('../../lab/arena.mjs', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'lab-grid-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const guest = join(folder, 'guest.mjs')
  const admits = "({ name: 'guest', settings: {}, admit: () => ({ end() {} }) })"
  writeFileSync(guest, `export default { id: 'guest', create: () => ${admits} }`)
  const args = [arena, '--grid', '--quick', '--json', '--with', guest, '--contestant', 'guest']
  const { code, stdout } = await promisify(execFile)(process.execPath, args).catch((error) => error)
  t.is(code, 1)
  const record = JSON.parse(stdout)
  t.is(record.law, 'guest')
  const played = playedOf(record)
  t.is(played.length, cellsOf(true).length)
  t.true(played.filter(({ kind }) => kind === 'calm').every((p) => missesOf(p).length === 0))
  t.true(played.filter(({ kind }) => kind === 'overload').every((p) => missesOf(p).length > 0))
})
