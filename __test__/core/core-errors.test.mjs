import { inspect } from 'node:util'
import vm from 'node:vm'
import * as exported from 'atrion'
import test from 'ava'

// Copied, to look its guards up by name.
const atrion = { ...exported }
const { AtrionError, ConfigError, ConnectionError, DependencyError, isAtrionError, ParseError, ShedError, SyncError } =
  atrion

const cause = new Error('socket closed')
const refusal = { routeId: 'api', resistance: 31.44, voltage: 20, mode: 'OPERATIONAL', retryAfterMs: 1200 }

const all = [
  [AtrionError, 'ATRION_ERROR', new AtrionError('anything', { cause })],
  [ConnectionError, 'ATRION_CONNECTION', new ConnectionError('redis', { cause })],
  [DependencyError, 'ATRION_DEPENDENCY', new DependencyError('ioredis', undefined, { cause })],
  [SyncError, 'ATRION_SYNC', new SyncError('api', cause)],
  [ParseError, 'ATRION_PARSE', new ParseError('api', { cause })],
  [ShedError, 'ATRION_SHED', new ShedError(refusal, { cause })],
  [ConfigError, 'ATRION_CONFIG', new ConfigError('slo.targetErrorRate', 'in [0, 1]', 2, { cause })],
]

for (const [Class, code, error] of all) {
  test(`${Class.name} is an AtrionError with code ${code}, a name, a stack and a cause`, (t) => {
    t.true(error instanceof Class && error instanceof AtrionError && error instanceof Error)
    t.is(error.code, code)
    t.is(error.name, Class.name)
    t.true(error.stack.startsWith(`${Class.name}: ${error.message}`), error.stack)
    t.is(error.cause, cause)
    t.true(inspect(error).includes(code), 'the code shows when the error is logged')
  })

  test(`${Class.name} is recognised by its guard`, (t) => {
    t.true(isAtrionError(error))
    for (const [Other, , example] of all)
      t.is(atrion[`is${Class.name}`](example), Other === Class || Class === AtrionError)
  })
}

test('without a cause there is none', (t) => {
  const errors = [new AtrionError('anything'), new ConnectionError(), new SyncError('api'), new ShedError(refusal)]
  for (const error of errors) t.false('cause' in error)
})

test('guards hold across realms, and for nothing else', (t) => {
  const foreign = vm.runInNewContext(`Object.assign(new Error('shed'), { code: 'ATRION_SHED' })`)
  t.false(foreign instanceof Error)
  t.true(atrion.isShedError(foreign))
  for (const value of [undefined, null, 'ATRION_SHED', new Error('x'), { code: 'EPIPE' }]) t.false(isAtrionError(value))
})

test('messages say what to do', (t) => {
  t.regex(new ConnectionError('redis').message, /redis.*connect\(\)/)
  t.regex(new DependencyError('ioredis').message, /ioredis.*npm install ioredis/)
  t.is(new DependencyError('x', 'yarn add x').installCommand, 'yarn add x')
  t.regex(new SyncError('api', cause).message, /"api".*socket closed/)
  t.regex(new ParseError('api').message, /"api"/)
})

test('a refusal carries its remedy', (t) => {
  const error = new ShedError(refusal)
  const { routeId, resistance, voltage, mode, retryAfterMs } = error
  t.deepEqual({ routeId, resistance, voltage, mode, retryAfterMs }, refusal)
  t.regex(error.message, /"api".*V=20 ≤ R=31\.4Ω.*1200 ms/)
  const open = new ShedError({ ...refusal, mode: 'CIRCUIT_BREAKER', retryAfterMs: undefined })
  t.is(open.retryAfterMs, undefined)
  t.regex(open.message, /circuit breaker open$/)
})

test('a config error names field, range and value', (t) => {
  const error = new ConfigError('slo.targetErrorRate', 'in [0, 1]', 2)
  t.is(error.message, 'slo.targetErrorRate must be in [0, 1], got 2')
  t.deepEqual([error.field, error.range, error.got], ['slo.targetErrorRate', 'in [0, 1]', 2])
})

test('a hostile value makes neither a long message nor a second error', (t) => {
  const hostile = [
    'x'.repeat(1e6),
    '\ud800',
    Object.create(null),
    { toString: () => t.fail('was called') },
    new Proxy({}, { get: () => t.fail('was called') }),
    10n ** 1000n,
    Symbol('s'),
    () => 'x'.repeat(1e6),
    Array(1e6).fill(1),
  ]
  for (const got of hostile) {
    const error = new ConfigError('field', 'something else', got)
    t.is(error.got, got)
    t.true(error.message.length < 200, `${error.message.length} characters`)
  }
  t.true(new SyncError('x'.repeat(1e6)).message.length < 200)
})
