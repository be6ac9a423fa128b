// The wind tunnel: what it claims is checked by a run of it; here, that it measures and judges as documented.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { steps } from '../../lab/driver/curve.mjs'
import { figure } from '../../lab/report/tunnel.mjs'
import { judge } from '../../lab/tunnel/claims.mjs'
import { fixed, phase, playGame } from '../../lab/tunnel/game.mjs'
import { TUNNELS, tunnelByName } from '../../lab/tunnel/index.mjs'
import { quantile, Stage, Workers } from '../../lab/tunnel/stage.mjs'

test('there are thirteen scenarios, each with a name of its own, a set-up and a headline', (t) => {
  t.is(TUNNELS.length, 13)
  const names = TUNNELS.flatMap(({ name, aliases = [] }) => [name, ...aliases])
  t.is(new Set(names).size, names.length)
  for (const { name, shows, setUp, claims } of TUNNELS) {
    t.true(shows.length > 20 && setUp.length > 20, name)
    t.true(
      claims.some((claim) => claim.headline),
      name,
    )
  }
  t.is(tunnelByName('chaos').name, 'flapping')
  t.is(tunnelByName('nothing'), undefined)
})

test('a claim is judged by its comparison, and one about a figure that is not there does not hold', (t) => {
  const figures = { a: { x: 1, y: 2 }, b: { x: 2 } }
  const met = (claim) => judge([claim], figures)[0].met
  t.true(met({ figure: 'a.x', is: '<', than: 'b.x' }))
  t.false(met({ figure: 'a.y', is: '<', than: 'b.x' }))
  t.true(met({ figure: 'a.y', is: '>=', than: 'b.x' }))
  t.true(met({ figure: 'a.x', is: '=', value: 1 }))
  t.false(met({ figure: 'a.z', is: '<=', value: 1 }))
  t.false(met({ figure: 'a.x', is: '<=', than: 'c.x' }))
})

test('figures are shown in the unit of their name', (t) => {
  t.is(figure(49.93, 'exitOhms'), '49.9 Ω')
  t.is(figure(0.843, 'revenue'), '84.3 %')
  t.is(figure(1, 'transitions'), '1')
  t.is(figure(Number.POSITIVE_INFINITY, 'recoveryS'), 'never')
})

test('a stage plays events in order of time, whatever the order they were planned in', async (t) => {
  const stage = new Stage('order')
  const seen = []
  stage.at(30, () => seen.push(['c', stage.now()]))
  stage.at(10, () => stage.after(10, () => seen.push(['b', stage.now()])))
  stage.at(10, () => seen.push(['a', stage.now()]))
  stage.at(50, () => seen.push(['too late', stage.now()]))
  await stage.play(40)
  t.deepEqual(seen, [
    ['a', 10],
    ['b', 20],
    ['c', 30],
  ])
  t.is(stage.now(), 40)
})

// Fake timers are the whole process's: a test that installs them runs alone.
test.serial("with timers, a peer's own timeouts and promises follow the stage", async (t) => {
  const stage = new Stage('timers')
  const seen = []
  const before = Date.now
  await stage.play(1000, true, () => {
    setTimeout(() => seen.push(stage.now()), 300)
    stage.at(500, () => Promise.resolve().then(() => seen.push('settled')))
    stage.at(600, () => seen.push('next'))
  })
  t.is(seen.length, 3)
  t.deepEqual(seen.slice(1), ['settled', 'next'])
  t.is(Date.now, before)
})

test('arrivals are Poisson: the rate is met, and the gaps vary as they must', async (t) => {
  const stage = new Stage('arrivals')
  const times = []
  stage.arrivals('a', steps([0, 100], [100, 0]), 200_000, () => times.push(stage.now()))
  await stage.play(200_000)
  t.true(Math.abs(times.length - 10_000) < 400, `${times.length}`)
  t.true(times.at(-1) < 100_000)
  const gaps = times.slice(1).map((at, i) => at - times[i])
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
  t.true(Math.abs(variance / mean ** 2 - 1) < 0.1, `${variance / mean ** 2}`)
})

test('workers are as many as they are, and first come is first served', async (t) => {
  const stage = new Stage('workers')
  const workers = new Workers(stage, { workers: 2, serviceMs: 10, service: 'constant' })
  const done = []
  for (let i = 0; i < 5; i += 1) workers.submit(() => done.push([i, stage.now()]))
  await stage.play(1000)
  t.deepEqual(done, [
    [0, 10],
    [1, 10],
    [2, 20],
    [3, 20],
    [4, 30],
  ])
})

test('quantiles of a list are values of it', (t) => {
  t.is(quantile([5, 1, 3], 0.5), 3)
  t.is(quantile([5, 1, 3], 1), 5)
  t.true(Number.isNaN(quantile([], 0.5)))
})

test('a game without a controller misses every frame of a crowd, and none of three players', async (t) => {
  const play = (players) => playGame({ phases: [phase(players, 40)], controller: fixed, seed: 1 })
  t.is((await play(60)).missedShare, 1)
  t.is((await play(3)).missedShare, 0)
  t.is((await play(60)).switches, 0)
})

for (const { name } of TUNNELS) {
  test.serial(`${name}: what is claimed is seen, and seen again with the same seed`, async (t) => {
    const tunnel = tunnelByName(name)
    const figures = await tunnel.play({ seed: 1 })
    const failed = judge(tunnel.claims, figures).filter((claim) => !claim.met)
    const named = failed.map(({ figure, is, value, than }) => `${figure} ${is} ${value ?? than}`)
    t.deepEqual(named, [], JSON.stringify(failed))
    t.deepEqual(await tunnel.play({ seed: 1 }), figures)
  })
}

test('the command lists, plays by name, and refuses what it does not know', async (t) => {
  const command = fileURLToPath(new URL('../../lab/lab.mjs', import.meta.url))
  const lab = (...args) => promisify(execFile)(process.execPath, [command, ...args])
  const listed = await lab()
  for (const { name } of TUNNELS) t.true(listed.stdout.includes(name), name)
  const played = JSON.parse((await lab('game-lod', '--json', '--seed', '3')).stdout)
  t.is(played.results[0].name, 'game-lod')
  t.true(played.results[0].claims.every((claim) => claim.met))
  const refused = await t.throwsAsync(lab('nothing'))
  t.is(refused.code, 2)
  t.true(refused.stderr.includes("No scenario 'nothing'"))
})
