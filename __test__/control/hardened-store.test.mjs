// Documents that anything which can write to the store has put there: nothing throws, the last good state holds, one warning, and the next
// change of a node takes the place of what was damaged.
import { InMemoryProvider } from 'atrion'
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import { until } from '../_patience.mjs'
import { Way } from './_cluster.mjs'

// Engine `ts` has no permits, and nothing to try a ban with.
const test = engine === 'ts' ? ava.skip : ava

const CONFIG = 'atrion/config'
const BANS = 'atrion/bans'
const SALT = '0123456789abcdef'.repeat(2)
const DAY_MS = 86_400_000
const NOW = Date.now()

const config = (more = {}) =>
  JSON.stringify({ format: 1, version: NOW, settled: {}, origins: {}, standing: [], trail: [], ...more })
const bans = (more = {}) =>
  JSON.stringify({ format: 1, salt: SALT, bans: {}, found: {}, lifted: {}, nodes: {}, ...more })
const nested = (levels) => '['.repeat(levels) + ']'.repeat(levels)
const many = (count, of) => Object.fromEntries(Array.from({ length: count }, (_, i) => of(i)))

/** Texts that are neither. */
const NOTHING = [
  '',
  '{"format":1,',
  'null',
  '7',
  nested(300_000),
  `{"format":1,"settled":${nested(200_000)}}`,
  '{"__proto__":{"format":1}}',
  '{"format":1,"version":1e999,"settled":{},"standing":[],"salt":1e999}',
  '\ufeff{}',
  JSON.stringify({ format: 1, version: [], settled: '', standing: {}, salt: { length: 32 } }),
]

/** Configurations of the right form that hold what no patch may set. */
const REFUSED_CONFIGS = [
  config({ version: -1 }),
  config({ version: 2 ** 53 }),
  config({ version: NOW + 0.5 }),
  config({ settled: { dryRun: 'yes' } }),
  config({ settled: { overrides: { a: 'ajar' } } }),
  config({ settled: { overrides: many(50_000, (i) => [`r${i}`, 'open']) } }),
  config({ settled: { routes: many(20_000, (i) => [`r${i}`, { limits: { max: 5 } }]) } }),
  config({ settled: { routes: 5 } }),
  config({ settled: { bans: { allow: [null] } } }),
  config({ settled: { bans: { allow: [{ prefix: 7 }, 5, {}] } } }),
  config({ settled: { bans: { allow: Array.from({ length: 2_000 }, (_, i) => `k${i}`) } } }),
  config({ settled: { slo: { maxAcceptableLatencyMs: -5 } } }),
  config({ settled: { slo: { maxAcceptableLatencyMs: '5' } } }),
  config({ settled: { limits: { max: { valueOf: 1 } } } }),
  config({ settled: { slo: JSON.parse(nested(20)) } }),
  config({ standing: [null] }),
  config({ standing: [{ version: NOW, changes: { dryRun: 1 } }] }),
  config({ standing: [{ version: NOW, changes: {}, trial: { share: 'x' } }] }),
]

/** A node over a provider that another writes to, with its warnings. */
async function nodeOver(t, provider, options = {}) {
  const warnings = []
  const logger = { debug() {}, info() {}, error: (text) => warnings.push(text), warn: (text) => warnings.push(text) }
  const way = new Way(provider)
  const reads = { [CONFIG]: 0, [BANS]: 0 }
  const read = way.readDocument
  way.readDocument = async (name) => {
    const document = await read(name)
    reads[name] += 1
    return document
  }
  const atrion = create({ provider: way, logger, ...options })
  await atrion.connect()
  t.teardown(() => atrion.disconnect())
  return { atrion, warnings, reads }
}

/** Writes a text whatever is there. */
async function force(provider, name, text) {
  const { version } = await provider.readDocument(name)
  await provider.writeDocument(name, version, text)
}

const decision = (atrion, key) => {
  const permit = atrion.acquire('r', { key })
  permit.release()
  return permit.limitedBy
}

test('a document in place of the settings: those before hold, one warning is logged, and the next patch mends it', async (t) => {
  const provider = new InMemoryProvider()
  const { atrion, warnings } = await nodeOver(t, provider)
  await atrion.patch({ base: 0, changes: { slo: { maxAcceptableLatencyMs: 321 } } })
  const refusals = []
  atrion.on('patch_refused', (event) => refusals.push(event))
  for (const text of [...NOTHING, ...REFUSED_CONFIGS]) {
    const before = refusals.length
    await force(provider, CONFIG, text)
    await until(() => refusals.length > before)
    t.is(atrion.config.current().changes.slo.maxAcceptableLatencyMs, 321, text.slice(0, 100))
    t.is(decision(atrion, 'k'), undefined)
  }
  t.deepEqual(warnings, ['settings were refused; those before stay in force'])
  // The one that is out of its range is the operator's to mend; all others give way to what the node knows.
  await force(provider, CONFIG, NOTHING[4])
  const { status } = await atrion.patch({
    base: atrion.config.version,
    changes: { slo: { maxAcceptableLatencyMs: 322 } },
  })
  t.is(status, 'applied')
  const other = await nodeOver(t, provider)
  await until(() => other.atrion.config.current().changes.slo?.maxAcceptableLatencyMs === 322)
  t.deepEqual(other.warnings, [])
})

test('settings that no patch can make are not taken over from the store either', async (t) => {
  const provider = new InMemoryProvider()
  const settled = JSON.parse(
    '{"provider":"x","keySecret":"y","logger":{},"__proto__":{"dryRun":true},"constructor":{"prototype":{"a":1}},"slo":{"maxAcceptableLatencyMs":99}}',
  )
  const trail = [
    {
      version: NOW,
      atMs: NOW,
      paths: ['\u001b[2Jx'],
      state: 'applied',
      author: '\u202eevil',
      reason: 'a\nb',
      node: '\u0000',
    },
  ]
  await force(provider, CONFIG, config({ settled, trail }))
  const { atrion } = await nodeOver(t, provider)
  await until(() => atrion.config.version === NOW)
  t.deepEqual(atrion.config.current().changes, { slo: { maxAcceptableLatencyMs: 99 } })
  t.is({}.dryRun, undefined)
  t.notRegex(JSON.stringify(atrion.config.audit()), /[\p{Cc}\p{Cf}]/u)
})

test('a trial or a patch that would never end by the clock of its writer ends when it has to', async (t) => {
  const provider = new InMemoryProvider()
  const trial = { share: 1, untilMs: 8e15, forMs: 1e15, fallPoints: 100 }
  const standing = [
    { version: NOW - 1, node: 'x', changes: { dryRun: true }, expiresAtMs: 8e15 },
    { version: NOW, node: 'x', changes: { dryRun: true }, trial },
  ]
  await force(provider, CONFIG, config({ standing }))
  const { atrion } = await nodeOver(t, provider)
  await until(() => atrion.config.version === NOW)
  const { layers } = atrion.config.explain('dryRun')
  t.true(layers.every(({ expiresAtMs = 0 }) => expiresAtMs <= Date.now() + 30 * DAY_MS))
  // The trial holds patches up for two hours and not for good.
  const { status, conflict } = await atrion.patch({ base: NOW, changes: { dryRun: null } })
  t.is(status, 'refused')
  t.is(conflict.version, NOW)
})

test('a document in place of the bans: those before hold, one warning is logged, and the next ban mends it', async (t) => {
  const provider = new InMemoryProvider()
  const { atrion, warnings, reads } = await nodeOver(t, provider)
  /** Two reads after another one has begun: what is in the store now was looked at. */
  const seen = () => {
    const before = reads[BANS]
    return until(() => reads[BANS] > before + 2)
  }
  atrion.ban('evil', { ttlMs: DAY_MS })
  await until(async () => (await provider.readDocument(BANS)).version > 0)
  for (const text of NOTHING) {
    await force(provider, BANS, text)
    await seen()
    t.is(decision(atrion, 'evil'), 'ban')
    t.is(decision(atrion, 'good'), undefined)
  }
  t.deepEqual(warnings, [
    'the list of bans in the store cannot be read; the last one that could be read stays in force',
  ])
  atrion.ban('worse', { ttlMs: DAY_MS })
  await until(async () => (await provider.readDocument(BANS)).text.startsWith('{"format":1,"salt"'))
  const other = await nodeOver(t, provider)
  await until(() => decision(other.atrion, 'worse') === 'ban')
  t.is(decision(other.atrion, 'evil'), 'ban', 'what the node knew is there again')
  // A list of a later version is left as it is.
  await force(provider, BANS, '{"format":2}')
  atrion.ban('third', { ttlMs: DAY_MS })
  await until(() => warnings.includes('bans could not be shared; another attempt follows'))
  t.is((await provider.readDocument(BANS)).text, '{"format":2}')
  await seen()
  t.is(warnings.filter((text) => text === 'bans could not be shared; another attempt follows').length, 1)
})

test('lists of bans with numbers, names and sizes of any kind are bounded, and a lift or a node of now finds its place', async (t) => {
  const provider = new InMemoryProvider()
  const { atrion, warnings } = await nodeOver(t, provider, { bans: { share: 0.5 } })
  const odd = JSON.parse(
    `{"1":[1e999],"2":["x"],"3":[-1],"__proto__":[1e15],"constructor":[1e15],"4":[1e15,7,7,1e9],"zzzzzzzzzzz":[1e15],"5":[${NOW + 1e6},"<img onerror=1>\\u001b"]}`,
  )
  const nodes = { ...many(300, (i) => [`old-${i}`, 1]), ...many(300, (i) => [`ahead-${i}`, 8e15]), __proto__: 1 }
  const lifted = many(1_100, (i) => [(1e9 + i).toString(36), 8e15])
  const found = many(10, (i) => [(1e6 + i).toString(36), ['share', many(300, (n) => [`n${n}`, 8e15])]])
  await force(provider, BANS, bans({ bans: odd, nodes, lifted }))
  await until(() => atrion.bans().some(({ reason }) => reason !== undefined))
  for (const { until: end, reason = '' } of atrion.bans()) {
    t.true(end <= Date.now() + DAY_MS + 60_000)
    t.notRegex(reason, /\p{Cc}/u)
  }
  const { id } = atrion.ban('x', { ttlMs: DAY_MS })
  atrion.unban(id)
  await until(async () => Object.hasOwn(JSON.parse((await provider.readDocument(BANS)).text).lifted, id.slice(4)))
  const written = JSON.parse((await provider.readDocument(BANS)).text)
  t.true(Object.values(written.lifted).every((atMs) => atMs <= Date.now() + 1_000))
  t.true(Object.keys(written.nodes).length <= 256)
  t.false(Object.keys(written.nodes).some((node) => node.startsWith('old-') || node.startsWith('ahead-')))
  // As long as a document may be: the next ban finds room.
  const full = many(4_096, (i) => [(1e7 + i).toString(36), [NOW + DAY_MS / 2, 'x'.repeat(200), 0, 0]])
  await force(provider, BANS, bans({ bans: full, found }))
  await until(() => atrion.bans().length > 4_000)
  const ban = atrion.ban('k', { ttlMs: DAY_MS, reason: '\u4e00'.repeat(280) })
  const isThere = async () => JSON.parse((await provider.readDocument(BANS)).text).bans[ban.id.slice(4)] !== undefined
  await until(isThere)
  // One more that is full of reasons of three bytes a character.
  const wide = many(1_000, (i) => [(1e7 + i).toString(36), [NOW + DAY_MS / 2, '\u4e00'.repeat(280), 0, 0]])
  await force(provider, BANS, bans({ bans: wide, nodes: {} }))
  atrion.ban('m', { ttlMs: DAY_MS, reason: '\u4e00'.repeat(280) })
  for (let i = 0; i < 400; i++) atrion.ban(`n${i}`, { ttlMs: DAY_MS, reason: '\u4e00'.repeat(280) })
  const { id: last } = atrion.ban('o', { ttlMs: DAY_MS })
  await until(async () => JSON.parse((await provider.readDocument(BANS)).text).bans[last.slice(4)] !== undefined)
  t.deepEqual(warnings, [])
})

test('a million bans of a writer take no place from the bans of this node', async (t) => {
  const provider = new InMemoryProvider()
  const { atrion } = await nodeOver(t, provider, { keySecret: 'sixteen bytes or more' })
  await force(provider, BANS, bans())
  let seen = 0
  atrion.on('ban', () => {
    seen += 1
  })
  // All in one of the table's parts, which 65,000 entries fill.
  const rounds = 17
  for (let round = 0; round < rounds; round++) {
    const list = many(4_096, (i) => [
      ((round * 4_096 + i) * 16 + 4e12).toString(36),
      [Date.now() + DAY_MS - 1_000, 0, 0, 0],
    ])
    const before = seen
    await force(provider, BANS, bans({ bans: list }))
    await until(() => seen >= before + 4_096)
  }
  const keys = Array.from({ length: 200 }, (_, i) => `evil-${i}`)
  for (const key of keys) atrion.ban(key, { ttlMs: 60_000 })
  t.deepEqual(
    keys.filter((key) => decision(atrion, key) !== 'ban'),
    [],
  )
})

test('a provider that answers with what is no document, a time of no clock or 34 MB costs no decision and no memory', async (t) => {
  const huge = `"${'x'.repeat(34e6)}"`
  let version = 0
  const answers = [
    () => undefined,
    () => ({ version: Number.NaN, text: config(), nowMs: Date.now() }),
    () => ({ version: 2 ** 53, text: config(), nowMs: Date.now() }),
    () => ({ version: -1, text: config(), nowMs: Date.now() }),
    () => ({ version: '1', text: config(), nowMs: Date.now() }),
    () => ({ version: 1, text: config(), nowMs: 1e300 }),
    () => ({ version: 1, text: config(), nowMs: -1 }),
    () => ({ version: 1, text: huge, nowMs: Date.now() }),
    () => ({ version: 1, text: new String('{}'), nowMs: Date.now() }),
    () => ({ version: ++version, text: `{${version}`, nowMs: Date.now() }),
    () =>
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('mine')
          },
        },
      ),
  ]
  for (const answer of answers) {
    let reads = 0
    const provider = new Way(new InMemoryProvider())
    provider.readDocument = async () => {
      reads += 1
      return answer()
    }
    const { atrion, warnings } = await nodeOver(t, provider, { bans: { share: 0.5 } })
    atrion.ban('evil', { ttlMs: 60_000 })
    await until(() => reads > 8)
    t.is(decision(atrion, 'evil'), 'ban')
    t.is(decision(atrion, 'good'), undefined)
    t.true(warnings.length <= 3, `${answer}: ${warnings}`)
    t.is(new Set(warnings).size, warnings.length, 'each of them once')
    await atrion.disconnect()
  }
})

test('a version that is no time of any clock does not stay: the next one is of now', async (t) => {
  const provider = new InMemoryProvider()
  await force(provider, CONFIG, config({ version: Number.MAX_SAFE_INTEGER - 2 ** 32, settled: { dryRun: true } }))
  const { atrion } = await nodeOver(t, provider)
  await until(() => atrion.config.version > 9e15)
  const { version } = await atrion.patch({ base: atrion.config.version, changes: { dryRun: false } })
  t.true(version <= Date.now() + 1_000)
  await until(() => atrion.config.version === version)
  t.false(atrion.config.current().changes.dryRun)
  t.is((await atrion.patch({ base: version, changes: { dryRun: null } })).status, 'applied')
})
