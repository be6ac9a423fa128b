// The lifecycle of providers over a connection: connects and disconnects take effect in the order of the calls.
import test from 'ava'
import { sourceOf } from '../_source.mjs'

const { Lifecycle } = await sourceOf('providers/lifecycle.ts')

/** A lifecycle whose connection notes its steps. */
const noted = () => {
  const steps = []
  const step = (name) => async () => {
    steps.push(`${name} begins`)
    await new Promise(setImmediate)
    steps.push(`${name} ends`)
  }
  const lifecycle = new Lifecycle('Shelf')
  return {
    lifecycle,
    steps,
    connect: (open = step('open')) => lifecycle.connect(open),
    disconnect: () => lifecycle.disconnect(step('drain'), step('close')),
  }
}

const ONCE = ['open begins', 'open ends']
const END = ['drain begins', 'drain ends', 'close begins', 'close ends']

test('calls of connect() at the same time open one connection', async (t) => {
  const { lifecycle, steps, connect } = noted()
  t.false(lifecycle.isConnected)
  await Promise.all([connect(), connect()])
  await connect()
  t.true(lifecycle.isConnected)
  t.deepEqual(steps, ONCE)
})

test('connect() right behind disconnect() ends connected, after the connection before has ended', async (t) => {
  const { lifecycle, steps, connect, disconnect } = noted()
  await connect()
  const ended = disconnect()
  t.false(lifecycle.isConnected)
  const opened = connect()
  await lifecycle.connected()
  t.deepEqual(steps, [...ONCE, ...END, ...ONCE])
  await Promise.all([ended, opened])
  t.true(lifecycle.isConnected)
})

test('disconnect() while it connects ends disconnected, and calls reject', async (t) => {
  const { lifecycle, steps, connect, disconnect } = noted()
  await Promise.all([connect(), disconnect(), disconnect()])
  t.false(lifecycle.isConnected)
  t.deepEqual(steps, [...ONCE, ...END])
  const error = await t.throwsAsync(lifecycle.connected(), { code: 'ATRION_CONNECTION' })
  t.is(error.providerName, 'Shelf')
})

test('a connection that fails rejects with its cause, and the next connect() tries again', async (t) => {
  const { lifecycle, connect } = noted()
  const failing = connect(() => Promise.reject(new Error('refused')))
  const waiting = t.throwsAsync(lifecycle.connected(), { code: 'ATRION_CONNECTION' })
  const error = await t.throwsAsync(failing, { code: 'ATRION_CONNECTION' })
  t.is(error.cause.message, 'refused')
  await waiting
  await connect()
  t.true(lifecycle.isConnected)
})

test('a connection that fails after disconnect() does not take away the next one', async (t) => {
  const { lifecycle, connect, disconnect } = noted()
  const failing = t.throwsAsync(
    connect(() => Promise.reject(new Error('refused'))),
    { code: 'ATRION_CONNECTION' },
  )
  const ended = disconnect()
  await connect()
  await Promise.all([failing, ended])
  t.true(lifecycle.isConnected)
  await t.notThrowsAsync(lifecycle.connected())
})
