// atrion/channels: what happens is published where it is listened to, and nothing is made where it is not.
import diagnostics from 'node:diagnostics_channel'
import { isShedError } from 'atrion'
import { atrionChannels } from 'atrion/channels'
import test from 'ava'
import { BAD, broken, create, engine, virtual } from '../_engine.mjs'

const RUNS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']

/** Subscribes to channels; the messages of an instance's own routes, in order. */
const listening = (t, names, isOwn) => {
  const messages = []
  for (const name of names) {
    const listener = (message) => {
      if (isOwn(message)) messages.push({ name, ...message })
    }
    diagnostics.subscribe(name, listener)
    t.teardown(() => diagnostics.unsubscribe(name, listener))
  }
  return messages
}

test.serial('changes of a mode and refusals of the open loop', (t) => {
  const world = virtual()
  t.teardown(atrionChannels(world.atrion))
  const messages = listening(t, ['atrion:shed', 'atrion:transition'], ({ routeId }) => routeId === 'mine')
  broken(world, 'mine')
  world.atrion.route('mine', BAD)
  const transitions = messages.filter(({ name }) => name === 'atrion:transition')
  t.deepEqual(
    transitions.map(({ from, to }) => `${from} ${to}`),
    ['BOOTSTRAP OPERATIONAL', 'OPERATIONAL CIRCUIT_BREAKER'],
  )
  t.like(messages.at(-1), { name: 'atrion:shed', limitedBy: 'breaker', voltage: 100, mode: 'CIRCUIT_BREAKER' })
})

test.serial('transitions of a batch', (t) => {
  const { atrion } = virtual()
  t.teardown(atrionChannels(atrion))
  const messages = listening(t, ['atrion:transition'], ({ routeId }) => routeId === 'batch')
  for (let i = 0; i < 12; i++) atrion.routeBatch(['batch'], new Float64Array([100, 0, 0.5]))
  t.deepEqual(
    messages.map(({ to }) => to),
    ['OPERATIONAL'],
  )
})

test.serial('ended, nothing is published, and what is thrown by a subscriber reaches no caller', (t) => {
  const world = virtual()
  const end = atrionChannels(world.atrion)
  const messages = listening(t, ['atrion:shed'], ({ routeId }) => routeId === 'end')
  world.atrion.override('end', 'open')
  world.atrion.route('end', BAD)
  t.is(messages.length, 1)
  end()
  end()
  world.atrion.route('end', BAD)
  t.is(messages.length, 1)
})

if (engine !== 'ts') {
  test.serial('refusals of the closed loop, in the call itself', (t) => {
    const atrion = create()
    t.teardown(atrionChannels(atrion))
    const messages = listening(t, ['atrion:shed'], ({ routeId }) => routeId === 'a')
    const permit = atrion.acquire('a', { tier: 'low', saturation: 9 })
    t.like(messages[0], {
      tier: 'low',
      limitedBy: 'process',
      resistance: permit.resistance,
      retryAfterMs: permit.retryAfterMs,
    })
  })

  test.serial('runs are traced, with the store of the channel, and a refusal has its obstacle', async (t) => {
    const atrion = create()
    t.teardown(atrionChannels(atrion))
    const names = RUNS.map((event) => `tracing:atrion.run:${event}`)
    const messages = listening(t, names, ({ routeId }) => routeId === 'run')
    const events = () => messages.splice(0).map(({ name }) => name.split(':').at(-1))
    t.is(await atrion.run('run', async () => 3, { tier: 'high' }), 3)
    t.is(messages[0].tier, 'high')
    t.deepEqual(events(), ['start', 'end', 'asyncStart', 'asyncEnd'])
    await t.throwsAsync(
      atrion.run('run', () => Promise.reject(new Error('down'))),
      { message: 'down' },
    )
    t.deepEqual(events(), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
    atrion.override('run', 'open')
    t.true(isShedError(await t.throwsAsync(atrion.run('run', () => 1))))
    t.is(messages.at(-1).limitedBy, 'override')
    t.true(isShedError(messages.at(-1).error))
  })

  test.serial('without a subscriber nothing is made', async (t) => {
    const atrion = create()
    t.teardown(atrionChannels(atrion))
    const { hasSubscribers } = diagnostics.channel('atrion:shed')
    t.false(hasSubscribers)
    t.is(await atrion.run('a', async () => 1), 1)
    t.false(atrion.acquire('a', { saturation: 9 }).allow)
  })
}
