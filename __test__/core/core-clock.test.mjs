import { ConfigError } from 'atrion'
import { RealClock, VirtualClock } from 'atrion/core'
import test from 'ava'

test('a virtual clock stands still until moved', (t) => {
  const clock = new VirtualClock()
  t.is(clock.now(), 0)
  clock.advance()
  t.is(clock.now(), 1)
  clock.advance(99.5)
  t.is(clock.now(), 100.5)
  clock.set(40)
  t.is(clock.now(), 40)
})

test('a virtual clock starts where it is set, and can go back', (t) => {
  const clock = new VirtualClock(1000)
  const before = clock.now()
  clock.advance(-300)
  t.is(clock.now(), 700)
  t.is(clock.deltaFrom(before), -300)
})

test('a virtual clock is never at no time', (t) => {
  const clock = new VirtualClock(5)
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    t.throws(() => clock.advance(ms), { instanceOf: ConfigError, message: /deltaMs/ })
    t.throws(() => clock.set(ms), { instanceOf: ConfigError, message: /nowMs/ })
    t.throws(() => new VirtualClock(ms), { instanceOf: ConfigError, message: /initialMs/ })
  }
  t.is(clock.now(), 5)
})

test('the real clock is the wall clock', (t) => {
  const clock = new RealClock()
  const earliest = Date.now()
  const now = clock.now()
  t.true(now >= earliest && now <= Date.now())
  t.true(clock.deltaFrom(now - 5000) >= 5000)
})
