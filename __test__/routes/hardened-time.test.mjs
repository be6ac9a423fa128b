// Time: clocks that are ahead, jump, sleep, go back, give nothing or throw; each has one outcome, and none freezes a route.
import test from 'ava'
import { BAD, broken, CALM, create, drive, engine, memoryLogger, virtual, warm } from '../_engine.mjs'
import { RecordingProvider } from '../_provider.mjs'

const closedLoop = engine === 'ts' ? test.skip : test

const HOUR_MS = 3_600_000

/** Seconds until a route that is well is admitted again, at most 10 minutes. */
const healsAfter = (world, routeId) => {
  for (let i = 0; i < 6000; i++) {
    world.clock.advance(100)
    if (world.atrion.route(routeId, CALM).allow) return i / 10
  }
  return Number.POSITIVE_INFINITY
}

for (const [writer, skewMs] of [
  ['of the same clock', 0],
  ['of a clock 1 h ahead', HOUR_MS],
  ['of the year 33658', 1e15],
]) {
  test(`a snapshot ${writer} freezes nothing`, (t) => {
    const source = broken(virtual(), 'r')
    const [snapshot] = source.atrion.snapshot()
    const world = virtual()
    world.clock.set(source.clock.now())
    const now = world.clock.now()
    const scar = { scarTissue: 500, resistance: 510, mode: 'CIRCUIT_BREAKER' }
    world.atrion.restore([{ ...snapshot, ...scar, lastUpdatedAt: now + skewMs, recoveryStartedAt: now + skewMs }])
    const state = world.atrion.getState('r')
    t.true(state.lastUpdatedAt <= now && state.recoveryStartedAt <= now)
    t.true(healsAfter(world, 'r') < 40)
  })
}

test('a snapshot of now or of before is taken over as it is', (t) => {
  const source = broken(virtual(), 'r')
  const copy = virtual()
  copy.clock.set(source.clock.now())
  copy.atrion.restore(source.atrion.snapshot())
  t.deepEqual(copy.atrion.snapshot(), source.atrion.snapshot())
  const own = create()
  own.route('r', CALM)
  const before = own.snapshot()
  own.restore(before)
  t.deepEqual(own.snapshot(), before, 'by the engine’s own clock, too')
})

test('a tuner from a snapshot stays finite', (t) => {
  const [snapshot] = warm(virtual(), 'r').atrion.snapshot()
  const world = virtual()
  world.atrion.restore([{ ...snapshot, tuner: { mean: 1e300, variance: 1e300, count: 99 } }])
  drive(world, 'r', CALM, 3)
  const { mean, stdDev } = world.atrion.getTunerStats('r')
  t.true(Number.isFinite(mean) && Number.isFinite(stdDev))
})

test('a clock that goes back by an hour: Δt = 0 once, then time goes on', (t) => {
  const world = broken(virtual(), 'r')
  const scar = () => world.atrion.snapshot()[0].scarTissue
  const before = scar()
  world.clock.advance(-HOUR_MS)
  world.atrion.route('r', CALM)
  t.is(scar(), before)
  t.true(healsAfter(world, 'r') < 60)
})

for (const leapMs of [1e308, Number.MAX_VALUE, 2 ** 53, 8.64e15, -1e308]) {
  test(`a leap to the end of time (${leapMs} ms) and back freezes nothing`, (t) => {
    const world = broken(virtual(), 'r')
    const { now } = world.clock
    for (let i = 0; i < 3; i++) {
      world.clock.now = () => leapMs
      world.atrion.route('r', BAD)
      world.clock.now = now
      world.atrion.route('r', BAD)
    }
    t.is(world.atrion.getState('r').mode, 'CIRCUIT_BREAKER')
    t.true(healsAfter(world, 'r') < 60)
  })

  closedLoop(`a leap to the end of time (${leapMs} ms) and back closes no breaker for good`, (t) => {
    const { clock, atrion } = virtual()
    const { now } = clock
    for (let i = 0; i < 300; i++) {
      atrion.acquire('r').release('failure')
      clock.advance(10)
    }
    clock.now = () => leapMs
    atrion.acquire('r').release('failure')
    clock.now = now
    let served = 0
    for (let i = 0; i < 100; i++) {
      const permit = atrion.acquire('r')
      permit.release('success')
      if (permit.allow) served += 1
      clock.advance(100)
    }
    t.true(served > 50, `${served} of 100`)
  })
}

test('a clock that goes back by less than a second stands still until it has caught up', (t) => {
  const world = warm(virtual(), 'r')
  const at = () => world.atrion.getState('r').lastUpdatedAt
  world.atrion.route('r', CALM)
  const before = at()
  for (let i = 0; i < 1000; i++) {
    world.clock.advance(i % 2 === 0 ? -5 : 5)
    world.atrion.route('r', CALM)
  }
  t.is(at(), before, 'jitter does not make time run')
  world.clock.advance(100)
  world.atrion.route('r', CALM)
  t.is(at(), before + 100)
})

test('a clock that jumps ahead, as after sleep: scars fade, leases run out, permits are not lost', async (t) => {
  const world = broken(virtual(), 'r')
  const lease = await world.atrion.startTask('work')
  world.clock.advance(8 * HOUR_MS)
  t.false(lease.isActive)
  world.atrion.route('r', CALM)
  t.true(world.atrion.snapshot().find(({ routeId }) => routeId === 'r').scarTissue < 1e-6)
  t.true(healsAfter(world, 'r') < 1)
})

test('a clock that throws or gives no number: the last reading stands, one warning, and it goes on when it can', (t) => {
  const logger = memoryLogger()
  let read = () => 1_000_000
  const atrion = create({ clock: { now: () => read() }, logger })
  const ticksAt = () => atrion.getState('r').lastUpdatedAt
  atrion.route('r', CALM)
  for (const fails of [
    () => {
      throw new Error('no clock')
    },
    () => Number.NaN,
    () => Number.POSITIVE_INFINITY,
    () => '1000100',
    () => undefined,
    () => 1_000_200n,
  ]) {
    read = fails
    t.notThrows(() => atrion.route('r', CALM))
    t.is(ticksAt(), 1_000_000)
  }
  t.is(logger.entries.filter(({ level }) => level === 'warn').length, 1)
  read = () => 1_000_300
  atrion.route('r', CALM)
  t.is(ticksAt(), 1_000_300)
})

test('words of other nodes neither grow nor stay when a clock goes back', async (t) => {
  const provider = new RecordingProvider()
  let say
  provider.subscribe = (_routeId, onChange) => {
    say = onChange
    return () => {}
  }
  const world = warm(virtual({ provider }), 'r')
  await world.atrion.connect()
  t.teardown(() => world.atrion.disconnect())
  for (const ageMs of [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -1e9]) {
    say({ scar: 80, momentumScalar: 0, lastTick: 9, resistance: 90 }, { node: 'n', ageMs })
    world.clock.advance(-HOUR_MS)
    await world.atrion.flush()
    const { scarTissue } = world.atrion.getState('r')
    t.true(scarTissue >= 0 && scarTissue <= 0.3 * 80 + 1e-9, `${scarTissue} after an age of ${ageMs}`)
  }
  t.true(drive(world, 'r', BAD, 1)[0].resistance < 1e6)
})

/** Requests every 2 ms, each answered 5 ms later, failing while `fails(ms)`; the clock is off by `offMs(ms)`. Refused, by ms. */
const play = ({ untilMs, offMs = () => 0, fails = () => false, reads = (ms) => ms }) => {
  let ms = 0
  const atrion = create({ clock: { now: () => reads(1e9 + ms + offMs(ms), ms) }, logger: memoryLogger() })
  const [out, refused] = [[], []]
  for (; ms < untilMs; ms++) {
    while (out[0]?.endMs <= ms) out.shift().permit.release(fails(ms) ? 'failure' : 'success')
    if (ms % 2 === 1) continue
    const permit = atrion.acquire('r')
    if (permit.allow) out.push({ permit, endMs: ms + 5 })
    else refused.push(ms)
  }
  for (const { permit } of out) permit.release()
  return { refused, stats: atrion.stats('r') }
}

const OFF_AT_MS = 4000
/** The size of a clock's error, ms, and its duration: once, for one request and for ever. */
const OFF = [1000, 1001, 30_000, 240_000, 300_000, HOUR_MS, 24 * HOUR_MS].flatMap((ms) => [ms, -ms])
const LASTS_MS = [1, 60, Number.POSITIVE_INFINITY]

closedLoop(
  'a clock that is off by up to a day, for a moment or for good, refuses nothing on a route that is well',
  (t) => {
    for (const off of OFF) {
      for (const lasts of LASTS_MS) {
        const offMs = (ms) => (ms >= OFF_AT_MS && ms < OFF_AT_MS + lasts ? off : 0)
        const { refused, stats } = play({ untilMs: 8000, offMs })
        t.deepEqual(
          [refused.length, stats.inFlight, stats.mode],
          [0, 0, 'OPERATIONAL'],
          `off by ${off} ms for ${lasts} ms`,
        )
      }
    }
  },
)

closedLoop(
  'a clock that is off while the breaker is open: the route is in use again within five seconds of its return',
  (t) => {
    const fails = (ms) => ms >= 1000 && ms < 6000
    for (const off of [0, ...OFF]) {
      for (const lasts of LASTS_MS) {
        const offMs = (ms) => (ms >= OFF_AT_MS && ms < OFF_AT_MS + lasts ? off : 0)
        const { refused, stats } = play({ untilMs: 13_000, offMs, fails })
        t.true(
          refused.some((ms) => ms > 2000 && ms < OFF_AT_MS),
          'the breaker was open',
        )
        t.true(refused.at(-1) < 11_000, `off by ${off} ms for ${lasts} ms: refused at ${refused.at(-1)} ms`)
        t.is(stats.mode, 'OPERATIONAL')
      }
    }
  },
)

closedLoop('a clock that sleeps, stands or throws under load refuses nothing, and permits come back', (t) => {
  const stopped = () => {
    throw new Error('no clock')
  }
  const during = (ms) => ms >= OFF_AT_MS && ms < OFF_AT_MS + 2000
  for (const [title, reads] of Object.entries({
    'eight hours of sleep': (now, ms) => (ms < OFF_AT_MS ? now : now + 8 * HOUR_MS),
    'it stands': (now, ms) => (during(ms) ? 1e9 + OFF_AT_MS : now),
    'it throws': (now, ms) => (during(ms) ? stopped() : now),
    'it gives no number': (now, ms) => (during(ms) ? Number.NaN : now),
  })) {
    const { refused, stats } = play({ untilMs: 8000, reads })
    t.deepEqual([refused.length, stats.inFlight], [0, 0], title)
  }
})

closedLoop(
  'after sleep with two hundred requests out the breaker may open, and every request is admitted a second later',
  (t) => {
    let ms = 1e9
    const atrion = create({ clock: { now: () => ms } })
    const ask = () => {
      const permit = atrion.acquire('r')
      ms += 1
      return permit
    }
    for (let i = 0; i < 2000; i++) {
      const permit = ask()
      ms += 4
      permit.release()
    }
    const out = Array.from({ length: 200 }, ask)
    ms += 8 * HOUR_MS
    const wokeMs = ms
    let refusedMs = 0
    while (ms < wokeMs + 5000) {
      const permit = ask()
      if (permit.allow) out.push(permit)
      else refusedMs = ms - wokeMs
      // Requests in flight go on where they were.
      for (const done of out.splice(0, 2)) done.release()
    }
    t.true(refusedMs < 1000, `refused ${refusedMs} ms after it woke`)
    t.like(atrion.stats('r'), { mode: 'OPERATIONAL', failures: 0 })
  },
)

closedLoop('a clock that jitters by up to a second back and forth makes no time', (t) => {
  let ms = 1e9
  const atrion = create({ clock: { now: () => ms } })
  const permit = atrion.acquire('r')
  for (let i = 0; i < 2000; i++) {
    ms += i % 2 === 0 ? 999 : -999
    atrion.acquire('r').release()
  }
  t.is(atrion.stats('r').inFlight, 1)
  permit.release()
  t.true(atrion.route('r', CALM) && atrion.getState('r').lastUpdatedAt <= 1e9 + 999)
})
