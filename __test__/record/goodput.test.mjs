// Load in virtual time: plants do what queueing theory says of them, and `expectGoodput` holds settings to what is wanted.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Atrion, ConfigError } from 'atrion'
import { contended, delay, listed, merged, poisson, pool, runLoad } from 'atrion/simulation'
import { expectGoodput, GoodputError } from 'atrion/testing'
import fc from '../_random.mjs'

const OPEN = { allow: true, release() {} }
const open = () => ({ acquire: () => OPEN })

test('a pool with one exponential server waits as M/M/1 does', async (t) => {
  // ρ = 0.5: a mean of S / (1 − ρ) = 20 ms, exponential, so that half take at most 20 ln 2.
  const { p50Ms, p99Ms, total } = await runLoad({
    gate: open,
    arrivals: poisson({ perS: 50, durationS: 2000 }),
    plants: pool({ servers: 1, serviceMs: 10, law: 'exponential' }),
    deadlineMs: 1000,
    binS: 10,
  })
  t.true(Math.abs(p50Ms / (20 * Math.LN2) - 1) < 0.06, `${p50Ms}`)
  t.true(Math.abs(p99Ms / (20 * Math.log(100)) - 1) < 0.1, `${p99Ms}`)
  t.is(total.good, total.offered)
})

test('plants say what they can answer, and answer no more', async (t) => {
  const plant = pool({ servers: 4, serviceMs: [10, 30] })
  t.is(plant.capacityPerS, 200)
  t.is(delay({ latencyMs: 5 }).capacityPerS, undefined)
  const { total, countedS } = await runLoad({
    gate: open,
    arrivals: poisson({ perS: 400, durationS: 20 }),
    plants: plant,
    deadlineMs: 60_000,
  })
  t.true(total.offered / countedS > 350)
  t.is(total.good, total.admitted)
  const knee = contended({ serviceMs: 10 })
  t.true(knee.capacityPerS > 500 && knee.capacityPerS < 2500, `${knee.capacityPerS}`)
})

test('the same seed gives the same run, another one another', async (t) => {
  const run = (seed) =>
    runLoad({
      gate: (clock) => new Atrion({ clock, keySecret: 'the same in every run' }),
      arrivals: poisson({ perS: 1000, durationS: 4, seed }),
      plants: pool({ servers: 8, serviceMs: 20 }),
      deadlineMs: 200,
      seed,
    })
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  t.deepEqual(a, b)
  t.notDeepEqual(a.total, c.total)
  t.true(a.total.refused > 500)
})

test('arrivals come in order of time, from a list or from several', (t) => {
  const next = merged(
    listed([{ atMs: 1, route: 'a' }, { atMs: 5, route: 'a' }]),
    listed([{ atMs: 3, route: 'b' }]),
    poisson({ perS: 0, durationS: 1 }),
  )
  t.deepEqual([next(), next(), next(), next()].map((one) => one?.atMs), [1, 3, 5, undefined])
})

test('parts that cannot be run are named, and so is every option that there is not', async (t) => {
  const good = {
    gate: open,
    arrivals: () => poisson({ perS: 10, durationS: 1 }),
    plants: pool({ servers: 1, serviceMs: 2 }),
    deadlineMs: 5,
  }
  const run = (wrong) => runLoad({ ...good, arrivals: good.arrivals(), ...wrong })
  t.true((await run({})).total.offered > 0)
  for (const [wrong, message] of [
    [{ plants: undefined }, /plants must be an object, got undefined/],
    [{ plants: { servers: 1, serviceMs: 2 } }, /plants\.serve must be a function/],
    [{ plants: () => undefined }, /plants\("GET \/work"\) must be an object, got undefined/],
    [{ gate: new Atrion() }, /gate must be a function/],
    [{ arrivals: good.arrivals }, /arrival must be an object, got a function/],
    [{ arrivals: [] }, /arrivals must be a function/],
    [{ arrivals: listed([{ atMs: 5, route: 'a' }, { atMs: 1, route: 'a' }]) }, /arrival\.atMs must be .* ≥ 5, .*, got 1/],
    [{ arrivals: listed([{ atMs: 5 }]) }, /arrival\.route must be/],
    [{ deadlineMs: undefined }, /deadlineMs must be .*, got undefined/],
    [{ deadlineMs: () => Number.NaN }, /deadlineMs\("GET \/work"\) must be .*, got NaN/],
    [{ warmupS: -1 }, /warmupS must be/],
    [{ binS: Infinity }, /binS must be/],
    [{ warmup: 1 }, /did you mean warmupS/],
  ]) {
    const error = await t.throwsAsync(run(wrong), { instanceOf: ConfigError, message })
    t.truthy(error.field)
  }
  for (const [make, options] of [
    [pool, { servers: 1, serviceMs: 2 }],
    [contended, { serviceMs: 2 }],
    [delay, { latencyMs: 2 }],
    [poisson, { perS: 1, durationS: 1 }],
  ]) {
    make(options)
    fc.assert(
      fc.property(fc.string(), (name) => {
        if (name in options || ['law', 'errorRate', 'speed', 'mix', 'seed', 'users', 'route', 'maxPerS'].includes(name)) return
        t.throws(() => make({ ...options, [name]: 1 }), { instanceOf: ConfigError })
      }),
    )
    t.throws(() => make({ ...options, errorrate: 1 }), { instanceOf: ConfigError })
  }
  t.throws(() => listed({}), { instanceOf: ConfigError })
  t.throws(() => merged(listed([]), []), { instanceOf: ConfigError })
})

test('settings that hold at four times the capacity', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'atrion-goodput-'))
  try {
    const report = join(folder, 'reports', 'goodput.html')
    const { share, goodputPerS, runs } = await expectGoodput({
      plant: { servers: 16, serviceMs: 20 },
      load: 4,
      durationS: 10,
      seeds: 2,
      tiers: { critical: 0.9 },
      report,
    })
    t.true(share > 0.8 && share < 1.1, `${share}`)
    t.true(goodputPerS > 640)
    t.is(runs.length, 2)
    const page = readFileSync(report, 'utf8')
    t.regex(page, /The settings hold/)
    t.regex(page, /<svg/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('settings that do not hold are refused with the figures', async (t) => {
  const plant = { servers: 16, serviceMs: 20 }
  const error = await t.throwsAsync(
    expectGoodput({ plant, load: 2, durationS: 6, seeds: 1, routes: { 'GET /work': { limits: { max: 3, initial: 3 } } } }),
    { instanceOf: GoodputError },
  )
  t.regex(error.message, /goodput was \d+\/s, [\d.]+ % of the 8\d\d\/s|goodput was \d+\/s, [\d.]+ % of the 800\/s/)
  t.regex(error.message, /at least 80\.0 % is wanted/)
  t.regex(error.message, /critical +\d+/)
  t.regex(error.message, /p50 [\d.]+ ms, p99 [\d.]+ ms/)
  const silent = { capacityPerS: 10, start() {}, serve() {} }
  const none = await t.throwsAsync(expectGoodput({ plant: silent, load: 1, durationS: 3, seeds: 1 }), {
    instanceOf: GoodputError,
  })
  t.regex(none.message, /p50 –, p99 –/)
  t.true(error.report.share < 0.5)
  const tiers = await t.throwsAsync(
    expectGoodput({ plant, load: 4, durationS: 6, seeds: 1, tiers: { bulk: 0.5 } }),
    { instanceOf: GoodputError },
  )
  t.deepEqual(tiers.message.match(/^(all|critical|high|normal|low|bulk)/gm), ['all', 'critical', 'high', 'normal', 'low', 'bulk'])
  t.regex(tiers.message, /of tier 'bulk' were answered well, and at least 50\.0 % are wanted/)
})

test('what cannot be honoured is named', async (t) => {
  const plant = { servers: 4, serviceMs: 10 }
  for (const [options, message] of [
    [{ plant }, /load must be/],
    [{ plant, load: 0 }, /load must be .*, got 0/],
    [{ plant, load: 1, atLeast: 2 }, /atLeast must be .*, got 2/],
    [{ plant, load: 1, seeds: 0 }, /seeds must be/],
    [{ plant, load: 1, durationS: -1 }, /durationS must be/],
    [{ plant, load: 1, tiers: { critical: 5 } }, /tiers\.critical must be/],
    [{ plant, laod: 1 }, /did you mean load/],
    [{ plant: { servers: 0, serviceMs: 1 }, load: 1 }, /servers must be an integer ≥ 1, got 0/],
    [{ plant: { servers: 1, serviceMs: -1 }, load: 1 }, /serviceMs must be/],
    [{ plant: { servers: 1, serviceMs: 1, law: 'normal' }, load: 1 }, /law must be/],
    [{ plant: delay({ latencyMs: 5 }), load: 1 }, /where a plant has no capacity/],
    [{ plant, load: 1, mix: { vip: 1 } }, /mix\.vip must be one of/],
    [{ plant: { server: 1, serviceMs: 1 }, load: 1 }, /server must be one of .*did you mean servers/],
    [{ plant, arrivals: () => () => null }, /arrival must be an object, got null/],
    [{ plant, arrivals: () => () => ({ at: 5 }) }, /arrival\.atMs must be a number of ms ≥ 0, .*, got undefined/],
    [{ plant, load: 1, settings: { slo: { maxAcceptableLatencyMs: -1 } } }, /must be/],
  ]) {
    await t.throwsAsync(expectGoodput(options), { message })
  }
})
