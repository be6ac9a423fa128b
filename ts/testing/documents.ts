/** The promises of a provider that keeps documents. One without `readDocument()` and `writeDocument()` passes as it is. */

import type { DocumentOptions, SharedDocument, StateProvider } from '../providers/provider.js'
import { check, checkVector, show, soon, turn, vectorOf } from './checks.js'
import { hostileNames } from './names.js'
import type { Clause, Stage } from './stage.js'

const MAX_NAME_BYTES = 256
const MAX_TEXT_BYTES = 1 << 20

/** Texts that stores are known to lose or to change. */
const TEXTS = [
  '',
  ' ',
  '{"a":1}',
  'null',
  '\0',
  'a\0b',
  '\ufeffa',
  'a\r\nb\n',
  '\\ \' " $1 %s {} \u007f',
  'caf\u00e9 cafe\u0301 \u{1f41f} \u{10ffff} \uffff',
]

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

/** A provider that has documents, and its methods. */
class Shelf {
  readonly provider: StateProvider
  constructor(provider: StateProvider) {
    this.provider = provider
  }

  async read(name: string): Promise<SharedDocument> {
    const got = (await this.provider.readDocument?.(name)) as SharedDocument
    check(typeof got === 'object' && got !== null, `readDocument() must resolve to an object, got ${show(got)}`)
    const { version, text, nowMs } = got
    check(Number.isSafeInteger(version) && version >= 0, `a version must be an integer ≥ 0, got ${show(version)}`)
    check(typeof text === (version === 0 ? 'object' : 'string'), `version ${version} has text ${show(text)}`)
    check(version > 0 || text === null, `text must be null where there is none, got ${show(text)}`)
    check(Number.isFinite(nowMs) && nowMs > 0, `nowMs must be the store's Unix time in ms, got ${show(nowMs)}`)
    return got
  }

  async write(name: string, version: number, text: string, options?: DocumentOptions): Promise<boolean> {
    const done = await this.provider.writeDocument?.(name, version, text, options)
    check(typeof done === 'boolean', `writeDocument() must resolve to true or false, got ${show(done)}`)
    return done
  }

  /** Writes what nothing else may have written meanwhile. */
  async put(name: string, version: number, text: string, options?: DocumentOptions): Promise<SharedDocument> {
    check(await this.write(name, version, text, options), `a write at the current version, ${version}, must succeed`)
    const got = await this.read(name)
    check(got.text === text, `${show(text)} was written, and ${show(got.text)} read`)
    check(got.version > version, `the version must rise from ${version}, got ${got.version}`)
    return got
  }

  /** Waits until the document is gone. */
  async gone(name: string, timeoutMs: number): Promise<void> {
    let isOver = false
    const poll = async (): Promise<void> => {
      while (!isOver && (await this.read(name)).version !== 0) await pause(5)
    }
    await soon(poll(), timeoutMs, `a document must be gone after its ttlMs`).finally(() => {
      isOver = true
    })
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A clause on one provider that has documents. */
const alone = (run: (shelf: Shelf, stage: Stage) => Promise<void>, needs?: 'durable'): Clause => ({
  ...(needs && { needs }),
  async run(stage) {
    const provider = await stage.connected()
    const { readDocument, writeDocument } = provider
    check(
      typeof readDocument === typeof writeDocument,
      'a provider must have both readDocument() and writeDocument(), or neither',
    )
    if (readDocument !== undefined) await run(new Shelf(provider), stage)
  },
})

/** A clause on two. */
const together = (run: (here: Shelf, there: Shelf, stage: Stage) => Promise<void>): Clause =>
  alone(async (here, stage) => run(here, new Shelf(await stage.connected()), stage))

async function rejects(call: () => unknown, what: string): Promise<void> {
  let answer: unknown
  try {
    answer = call()
  } catch (error) {
    check(false, `${what} must be rejected and not thrown, threw ${show(String(error))}`)
  }
  const error = await Promise.resolve(answer).then(
    () => undefined,
    (reason: unknown) => reason ?? new Error('unknown'),
  )
  check(error !== undefined, `${what} must be rejected`)
}

/** Adds one by compare-and-set until it succeeds, so often. */
async function count(shelf: Shelf, name: string, times: number): Promise<number[]> {
  const versions: number[] = []
  for (let done = 0; done < times; ) {
    const { version, text } = await shelf.read(name)
    if (await shelf.write(name, version, String(Number(text ?? 0) + 1))) {
      versions.push(version)
      done += 1
    }
  }
  return versions
}

/** Checks that no addition of these counters was lost, and that no two won at one version. */
async function race(shelves: readonly Shelf[], name: string): Promise<void> {
  const times = 10
  const won = (await Promise.all(shelves.map((shelf) => count(shelf, name, times)))).flat()
  check(new Set(won).size === won.length, 'of all who write at one version only one may succeed')
  const { text } = await (shelves[0] as Shelf).read(name)
  const wanted = String(shelves.length * times)
  check(text === wanted, `${wanted} additions by compare-and-set must come to ${wanted}, got ${show(text)}`)
}

export const DOCUMENTS: Record<string, Clause> = {
  'a document that was never written has version 0 and no text': alone(async (shelf, stage) => {
    for (const label of ['unknown', '__proto__', 'constructor']) {
      const { version } = await shelf.read(stage.document(label))
      check(version === 0, `an unknown document must have version 0, got ${version}`)
    }
  }),

  'a document is replaced at its version and at no other': alone(async (shelf, stage) => {
    const name = stage.document()
    check(!(await shelf.write(name, 1, 'x')), 'a document that is not there must not be replaced')
    const first = await shelf.put(name, 0, 'first')
    for (const version of [0, 1, first.version - 1, first.version + 1]) {
      check(
        !(await shelf.write(name, version, 'x')),
        `at version ${version} of ${first.version} nothing may be written`,
      )
      const { text } = await shelf.read(name)
      check(text === 'first', `what was not written must not be read, got ${show(text)}`)
    }
    const second = await shelf.put(name, first.version, 'second')
    check(!(await shelf.write(name, first.version, 'x')), 'a version that has passed must not be written at')
    await shelf.put(name, second.version, 'second')
  }),

  'of many who write at one version at the same time one succeeds': alone(async (shelf, stage) => {
    const name = stage.document()
    let { version } = await shelf.read(name)
    for (let round = 0; round < 5; round++) {
      const at = version
      const won = await Promise.all(Array.from({ length: 20 }, (_, n) => shelf.write(name, at, `${round} ${n}`)))
      check(won.filter(Boolean).length === 1, `one of 20 writes must succeed, and ${won.filter(Boolean).length} did`)
      const read = await shelf.read(name)
      check(
        read.text === `${round} ${won.indexOf(true)}`,
        `the one that succeeded must be read, got ${show(read.text)}`,
      )
      version = read.version
    }
    const counter = stage.document('counter')
    await race(Array(8).fill(shelf), counter)
  }),

  'versions rise, and never come again, not even when a document expired': alone(async (shelf, stage) => {
    const name = stage.document()
    let last = 0
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 20; n++) {
        const { version } = await shelf.put(name, n === 0 ? 0 : last, `${n}`)
        check(version > last, `a version must be higher than any before, ${last}, got ${version}`)
        last = version
      }
      check(await shelf.write(name, last, 'short', { ttlMs: 1 }), 'a write with a ttlMs must succeed')
      await shelf.gone(name, stage.timeoutMs)
      check(
        !(await shelf.write(name, last, 'x')),
        'a document that has expired must not be replaced at its old version',
      )
    }
  }),

  'a document is gone after its ttlMs, and stays when it was written again without': alone(async (shelf, stage) => {
    const [name, other] = [stage.document(), stage.document('other')]
    const long = await shelf.put(name, 0, 'long', { ttlMs: 600_000 })
    const stays = await shelf.put(name, long.version, 'short', { ttlMs: 60_000 })
    check(await shelf.write(name, stays.version, 'stays'), 'a document with a ttlMs must be replaced')
    check(await shelf.write(other, 0, 'short', { ttlMs: 20 }), 'a write with a ttlMs must succeed')
    await shelf.gone(other, stage.timeoutMs)
    const { version, text } = await shelf.read(name)
    check(text === 'stays', `a document without ttlMs must stay, got ${show(text)}`)
    check(await shelf.write(name, version, 'now short', { ttlMs: 1 }), 'a ttlMs must be given to one that stays')
    await shelf.gone(name, stage.timeoutMs)
    await shelf.put(name, 0, 'again')
  }),

  'any well-formed text is a name of a document, and each a name of its own': alone(async (shelf, stage) => {
    const mark = stage.document('odd')
    const longest = 'x'.repeat(MAX_NAME_BYTES - bytesOf(mark))
    const wide = '\u{1f41f}'.repeat(Math.floor((MAX_NAME_BYTES - bytesOf(mark)) / 4))
    const names = [...hostileNames(mark), `${mark}${longest}`, `${mark}${wide}`]
      // Names that other tests of the store may write at the same time are left out.
      .filter(
        (name) => name.toLowerCase().includes(mark) && !/\p{Surrogate}/u.test(name) && bytesOf(name) <= MAX_NAME_BYTES,
      )
    for (const [n, name] of names.entries()) await shelf.put(stage.ownDocument(name), 0, `text ${n}`)
    for (const [n, name] of names.entries()) {
      const { text } = await shelf.read(name)
      check(text === `text ${n}`, `document ${show(name)} must be ${show(`text ${n}`)}, got ${show(text)}`)
    }
  }),

  'texts are kept as they are, up to 1 MiB': alone(async (shelf, stage) => {
    const name = stage.document()
    const texts = [...TEXTS, 'x'.repeat(MAX_TEXT_BYTES), '\u{1f41f}'.repeat(MAX_TEXT_BYTES / 4), 'end']
    let version = 0
    for (const text of texts) ({ version } = await shelf.put(name, version, text))
  }),

  'what is out of its range is rejected, and changes nothing': alone(async (shelf, stage) => {
    const { provider } = shelf
    const name = stage.document()
    const { version } = await shelf.put(name, 0, 'kept')
    for (const bad of ['', 'x'.repeat(MAX_NAME_BYTES + 1), '\u{1f41f}'.repeat(65), '\ud800', 7, null, undefined]) {
      await rejects(() => provider.readDocument?.(bad as string), `reading document ${show(bad)}`)
      await rejects(() => provider.writeDocument?.(bad as string, 0, ''), `writing document ${show(bad)}`)
    }
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null, undefined]) {
      await rejects(() => provider.writeDocument?.(name, bad as number, 'x'), `a write at version ${show(bad)}`)
    }
    const texts = ['x'.repeat(MAX_TEXT_BYTES + 1), `${'\u{1f41f}'.repeat(MAX_TEXT_BYTES / 4)}x`, 'a\udc00', 7, null]
    for (const bad of texts) {
      await rejects(() => provider.writeDocument?.(name, version, bad as string), `a text of ${show(bad)}`)
    }
    for (const bad of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 1e12]) {
      const ttlMs = bad as number
      await rejects(() => provider.writeDocument?.(name, version, 'x', { ttlMs }), `a ttlMs of ${show(bad)}`)
    }
    const read = await shelf.read(name)
    check(read.version === version && read.text === 'kept', `nothing may have been written, got ${show(read)}`)
  }),

  'a document and a route of one name are two things': alone(async (shelf, stage) => {
    const { provider } = shelf
    const name = stage.own(stage.document())
    await shelf.put(name, 0, 'text')
    check((await provider.getVector(name)) === null, 'a document must be no route')
    check(!(await provider.listRoutes()).includes(name), 'a document must not be listed as a route')
    await provider.updateVector(name, vectorOf(1))
    checkVector(await provider.getVector(name), vectorOf(1), 'a route beside a document of its name')
    await provider.deleteVector(name)
    const { text } = await shelf.read(name)
    check(text === 'text', `deleting a route must leave the document of its name, got ${show(text)}`)
  }),

  'a document is there after disconnect() and connect()': alone(async (shelf, stage) => {
    const name = stage.document()
    const { version } = await shelf.put(name, 0, 'kept')
    await shelf.provider.disconnect()
    await shelf.provider.connect()
    const read = await shelf.read(name)
    check(read.version === version && read.text === 'kept', `version ${version} must be kept, got ${show(read)}`)
    await shelf.put(name, version, 'replaced')
  }, 'durable'),
}

/** Writes until a watcher has heard of it, or another one should have; a hint may be missed. */
async function writeUntil(shelf: Shelf, name: string, heard: () => boolean, timeoutMs: number): Promise<void> {
  let isOver = false
  const repeat = async (): Promise<void> => {
    while (!isOver && !heard()) {
      const { version } = await shelf.read(name)
      await shelf.write(name, version, `${version}`)
      for (let waitedMs = 0; !heard() && waitedMs < timeoutMs / 10; waitedMs += 5) await pause(5)
    }
  }
  await soon(repeat(), timeoutMs, 'a watcher must be called for a document that another node writes').finally(() => {
    isOver = true
  })
}

export const SHARED_DOCUMENTS: Record<string, Clause> = {
  'a document of one provider is read and replaced by another': together(async (here, there, stage) => {
    const name = stage.document()
    const first = await here.put(name, 0, 'here')
    const read = await there.read(name)
    check(read.version === first.version && read.text === 'here', `the other must read the same, got ${show(read)}`)
    await there.put(name, read.version, 'there')
    check(
      !(await here.write(name, first.version, 'x')),
      'what another replaced must not be replaced at its old version',
    )
    check((await here.read(name)).text === 'there', 'what another wrote must be read')
  }),

  'of two providers that write at one version one succeeds': together(async (here, there, stage) => {
    await race([here, there, here, there, here, there], stage.document())
  }),

  'watchDocuments(), where there is one, calls back with the names that others write, until it is stopped': together(
    async (here, there, stage) => {
      if (here.provider.watchDocuments === undefined) return
      const [name, last] = [stage.document(), stage.document('last')]
      const watch = (shelf: Shelf, onWrite: (name: string) => void): (() => void) => {
        const stop = shelf.provider.watchDocuments?.(onWrite)
        check(typeof stop === 'function', `watchDocuments() must return a function, got ${show(stop)}`)
        return stop
      }
      const [stopped, stayed] = [new Set<string>(), new Set<string>()]
      const stopThrowing = watch(here, () => {
        throw new Error('a callback of the conformance suite throws on purpose')
      })
      const stop = watch(here, (one) => stopped.add(one))
      const stopStayer = watch(here, (one) => stayed.add(one))
      await writeUntil(there, name, () => stopped.has(name) && stayed.has(name), stage.timeoutMs)
      stop()
      stop()
      await writeUntil(there, last, () => stayed.has(last), stage.timeoutMs)
      await turn()
      check(!stopped.has(last), 'no write may be reported after the watch was stopped')
      stopThrowing()
      stopStayer()
    },
  ),
}
