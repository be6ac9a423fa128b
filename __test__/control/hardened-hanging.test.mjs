// A provider whose documents' calls never settle: patches and bans are given up in time and tried again, and what is answered later is dropped.
import { InMemoryProvider } from 'atrion'
import ava from 'ava'
import { create, engine } from '../_engine.mjs'
import { sourceOf } from '../_source.mjs'
import { awaited, eventOf, patch, until, Way } from './_cluster.mjs'

const { SharedDocuments } = await sourceOf('replication/documents.ts')

// Engine `ts` has no permits, and nothing to try a ban with.
const test = engine === 'ts' ? ava.skip : ava

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Timers that fire by hand. */
class VirtualTime {
  nowMs = 0
  #timers = new Set()

  after = (ms, run) => {
    const timer = { atMs: this.nowMs + ms, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  async run(ms) {
    const untilMs = this.nowMs + ms
    await turn()
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.nowMs = due.atMs
      due.run()
      await turn()
    }
    this.nowMs = untilMs
  }
}

/** A store of one document whose reads are answered by hand. */
function storeByHand(more = {}) {
  const reads = []
  return {
    ...{ name: 'ByHand', intervalMs: 100, reads, ...more },
    readDocument: () =>
      new Promise((resolve) => reads.push((version) => resolve({ version, text: `${version}`, nowMs: 1 }))),
    writeDocument: () => new Promise(() => {}),
  }
}

ava('a read that never settles is made again after 8 s, and its late answer is dropped', async (t) => {
  for (const [documentTimeoutMs, lostMs] of [
    [undefined, 8_000],
    [1_000, 1_000],
    [0, 8_000],
    [Number.NaN, 8_000],
    ['5', 8_000],
    [Number.POSITIVE_INFINITY, 3_600_000],
  ]) {
    const time = new VirtualTime()
    const store = storeByHand({ documentTimeoutMs })
    const documents = new SharedDocuments(store, time.after)
    const seen = []
    documents.follow('d', ({ version }) => seen.push(version), t.fail)
    documents.start()
    await time.run(lostMs - 1)
    t.is(store.reads.length, 1, `${documentTimeoutMs}: no second read before`)
    await time.run(101)
    t.is(store.reads.length, 2)
    store.reads[1](7)
    await time.run(0)
    store.reads[0](6)
    await time.run(0)
    t.deepEqual(seen, [7])
    documents.stop()
  }
})

ava('a change whose calls never settle rejects in time', async (t) => {
  const time = new VirtualTime()
  const store = storeByHand()
  const documents = new SharedDocuments(store, time.after)
  let error
  documents
    .update('d', () => 'text')
    .catch((given) => {
      error = given
    })
  await time.run(8_000)
  t.is(error?.code, 'ATRION_CONNECTION')
  t.regex(error.message, /ByHand.* no answer within 8000 ms/)
  error = undefined
  documents
    .update('d', () => 'text')
    .catch((given) => {
      error = given
    })
  await time.run(10)
  store.reads.at(-1)(3)
  await time.run(7_999)
  t.is(error, undefined)
  await time.run(1)
  t.is(error?.code, 'ATRION_CONNECTION', 'the write')
})

test('patches and bans go on after a store that hung, and its late answers take nothing back', async (t) => {
  const provider = new InMemoryProvider()
  const way = new Way(provider, { documentTimeoutMs: 100 })
  const { readDocument, writeDocument } = way
  let hung
  const hanging =
    (call) =>
    (...given) =>
      hung === undefined ? call(...given) : new Promise((resolve) => hung.push(() => resolve(call(...given))))
  way.readDocument = hanging(readDocument)
  way.writeDocument = hanging(writeDocument)
  const warnings = []
  const logger = { debug() {}, info() {}, error() {}, warn: (text) => warnings.push(text) }
  const atrion = create({ provider: way, logger })
  const other = create({ provider: new Way(provider) })
  await Promise.all([atrion.connect(), other.connect()])
  t.teardown(() => Promise.all([atrion.disconnect(), other.disconnect()]))
  await patch(atrion, { limits: { max: 70 } })

  hung = []
  const calls = hung
  await t.throwsAsync(awaited(patch(atrion, { limits: { max: 1 } })), { code: 'ATRION_CONNECTION' })
  t.is(atrion.config.explain('limits.max').value, 70, 'what held goes on')
  atrion.ban('evil', { ttlMs: 600_000 })
  await until(() => warnings.includes('bans could not be shared; another attempt follows'))
  t.false(atrion.acquire('r', { key: 'evil' }).allow, 'here it holds at once')
  hung = undefined

  await until(() => other.bans().length === 1)
  await until(() => other.config.version === atrion.config.version)
  const applied = eventOf(atrion, 'patch', ({ paths }) => paths.includes('limits.max'))
  await patch(other, { limits: { max: 60 } })
  await applied
  t.is(atrion.config.explain('limits.max').value, 60)
  for (const answer of calls) answer()
  const later = eventOf(atrion, 'patch', ({ paths }) => paths.includes('dryRun'))
  await patch(other, { dryRun: true })
  await later
  t.is(atrion.config.explain('limits.max').value, 60)
  t.is(warnings.length, 1, warnings.join())
})
