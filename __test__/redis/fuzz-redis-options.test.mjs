// Random options of a Redis provider: they make a provider, or an error of the package that names the field; neither shows a secret.
import { inspect } from 'node:util'
import { RedisStateProvider } from 'atrion'
import test from 'ava'
import fc from '../_random.mjs'

const RUNS = Number(process.env.FUZZ_RUNS ?? 500)
/** In every text that may be a secret. */
const MARK = 'hunter2'

const secretive = fc.oneof(
  fc.constantFrom(MARK, `${MARK}${MARK}${MARK}`, `user:${MARK}@host`, `redis://user:${MARK}@host:1/2`),
  fc.constantFrom(
    `rediss://:${MARK}@[::1]:6380`,
    `redis://h/${MARK}`,
    `redis://h:1?password=${MARK}`,
    `\u0000${MARK}\r\n`,
  ),
  fc.string({ maxLength: 12 }).map((text) => `${text}:${MARK}@${text}`),
)
const odd = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withNullPrototype: true,
    withTypedArray: true,
    withSparseArray: true,
    maxDepth: 2,
  }),
  fc.constantFrom(
    Symbol(MARK),
    () => 1,
    Number.NaN,
    Infinity,
    -0,
    '',
    '__proto__',
    new Array(3),
    new Array(2 ** 32 - 1),
  ),
)
const value = fc.oneof(
  { weight: 2, arbitrary: secretive },
  { weight: 2, arbitrary: odd },
  fc.integer({ min: -1, max: 70_000 }),
)
const NAMES = [
  'url',
  'host',
  'port',
  'path',
  'username',
  'password',
  'db',
  'tls',
  'cluster',
  'sentinel',
  'keyPrefix',
  'channel',
]
const names = fc.constantFrom(
  ...NAMES,
  'secret',
  'intervalMs',
  'gamma',
  'expireMs',
  'maxRoutes',
  'required',
  'passwrod',
  'constructor',
)
const options = fc.oneof(
  { weight: 5, arbitrary: fc.dictionary(names, value, { maxKeys: 3 }) },
  // An object that resembles a client of another package.
  fc.record(
    {
      on: fc.constant(() => {}),
      options: fc.dictionary(
        fc.constantFrom(
          'host',
          'port',
          'path',
          'password',
          'db',
          'sentinels',
          'name',
          'retryStrategy',
          'tls',
          'socket',
          'url',
        ),
        value,
        { maxKeys: 4 },
      ),
      isCluster: fc.boolean(),
      startupNodes: fc.array(value, { maxLength: 3 }),
    },
    { requiredKeys: ['on'] },
  ),
  fc.record({ sentinel: fc.record({ name: value, sentinels: value, username: value, password: value }) }),
  fc.record({ cluster: fc.array(value, { maxLength: 3 }), password: secretive }),
  value,
)

/** Everything of a value that a log or a debugger prints. */
const shown = (it) => `${inspect(it, { depth: 6, showHidden: true, getters: true })} ${it?.stack} ${JSON.stringify(it)}`

test('a provider is made of any options, or refused by a ConfigError, and shows no secret', (t) => {
  let made = 0
  let refused = 0
  fc.assert(
    fc.property(options, (given) => {
      let it
      try {
        it = new RedisStateProvider(given)
        made += 1
      } catch (error) {
        if (error.code !== 'ATRION_CONFIG') throw new Error('not an error of ours', { cause: error })
        refused += 1
        it = error
      }
      return !shown(it).includes(MARK)
    }),
    { numRuns: RUNS },
  )
  t.true(made > RUNS / 50 && refused > RUNS / 50, `${made} made, ${refused} refused`)
})
