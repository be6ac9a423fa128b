// Images of the native engine: what takes one over decides as the engine would have; what is no image changes nothing, or at least ends.
import { createRequire } from 'node:module'
import ava from 'ava'
import { engine as present } from '../_engine.mjs'
import { sourceOf } from '../_source.mjs'
import { numbers } from './_drive.mjs'

const test = present === 'native' ? ava : ava.skip
const { BATCH_ROWS, FRAME, ROW_CELLS } = await sourceOf('engine/port.ts')
const MOST = 2 ** 21
const ROUTES = 12

/** An engine by itself, below the package: its frame, the time it has, and permits that are out. */
const engineOf = () => {
  const { NativeEngine } = createRequire(import.meta.url)('../../binding.js')
  const frame = new Float64Array(FRAME.LENGTH)
  const native = new NativeEngine(ROUTES, frame, new Float64Array(BATCH_ROWS * ROW_CELLS), false)
  return { native, frame, hot: native.hot(), nowMs: 1_700_000_000_000, held: [] }
}

/** One request, or one that comes back; all that came of it. */
const step = (world, random) => {
  const { native, frame, hot, held } = world
  world.nowMs += random() * 5
  frame[FRAME.NOW] = world.nowMs
  if (held.length > 40 || (held.length > 0 && random() < 0.48)) {
    const [permit] = held.splice(Math.floor(random() * held.length), 1)
    frame[FRAME.PERMIT] = permit
    frame[FRAME.OUTCOME] = random() < 0.25 ? 1 : 0
    hot.release()
    return [frame[FRAME.STATUS], frame[FRAME.AGE_MS]]
  }
  const slot = native.intern(`route ${Math.floor(random() * 9)}`)
  const key = Math.floor(random() * 30)
  frame[FRAME.SLOT] = slot
  frame[FRAME.TIER] = Math.floor(random() * 5)
  frame[FRAME.KEY] = key
  frame[FRAME.KEY_WEIGHT] = 1
  frame[FRAME.KEY_CLASS] = random() < 0.3 ? key % 4 : Number.NaN
  frame[FRAME.QUEUE_AGE_MS] = 0
  frame[FRAME.PROCESS_SATURATION] = random() < 0.1 ? random() : 0
  frame[FRAME.WAITED_MS] = -1
  hot.acquire()
  const { STATUS, RESISTANCE, PERMIT, MODE, RETRY_AFTER_MS, VOLTAGE, CAUSE } = FRAME
  const row = [STATUS, RESISTANCE, PERMIT, MODE, RETRY_AFTER_MS, VOLTAGE, CAUSE].map((cell) => frame[cell])
  if ((row[0] & 1) !== 0) held.push(row[2])
  else row[2] = -1
  return row
}

const drive = (world, random, steps) => Array.from({ length: steps }, () => step(world, random))

test('an engine that takes over an image goes on as the one that it is of', (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const one = engineOf()
    drive(one, numbers(seed), 400 * seed)
    const image = one.native.image(MOST)
    t.deepEqual(one.native.image(MOST), image, 'to take it changes nothing')
    const other = engineOf()
    other.native.intern('another, which goes')
    const laws = other.native.loadImage(image)
    t.is(laws.length, 2 * one.native.routeIds().length)
    t.deepEqual(other.native.image(MOST).length <= image.length + 200, true)
    // Their names differ, and nothing else: each slot's route is asked for by the name that it has here.
    const names = new Map(one.native.routeIds().map((name) => [name, other.native.nameOf(Number(one.native.find(name)))]))
    const { intern } = other.native
    other.native = Object.assign(Object.create(other.native), {
      intern: (name) => intern.call(Object.getPrototypeOf(other.native), names.get(name) ?? name),
    })
    other.nowMs = one.nowMs
    other.held = [...one.held]
    const [again, random] = [numbers(seed + 100), numbers(seed + 100)]
    let refused = 0
    for (let i = 0; i < 2000; i++) {
      const row = step(one, random)
      t.deepEqual(step(other, again), row, `step ${i} of ${seed}`)
      if (row.length > 2 && (row[0] & 1) === 0) refused += 1
    }
    t.true(refused > 0)
  }
})

test('an image that is larger than wanted is none', (t) => {
  const { native } = engineOf()
  for (let i = 0; i < ROUTES; i++) native.intern(`route ${i}`)
  const { length } = native.image(MOST)
  t.truthy(native.image(length))
  t.falsy(native.image(length - 1))
  t.falsy(native.image(0))
})

test('bytes that are no image are not taken over; those that look like one end with an answer', (t) => {
  const one = engineOf()
  drive(one, numbers(5), 3000)
  const image = one.native.image(MOST)
  const random = numbers(77)
  t.falsy(engineOf().native.loadImage(new Uint8Array()))
  for (let i = 0; i < 200; i++) t.falsy(engineOf().native.loadImage(image.subarray(0, Math.floor(random() * image.length))))
  t.falsy(engineOf().native.loadImage(Uint8Array.from([...image, 0])))
  let taken = 0
  for (let i = 0; i < 3000; i++) {
    const changed = image.slice()
    for (let n = 0; n <= i % 3; n++) changed[Math.floor(random() * image.length)] = i % 5 === 0 ? 0xff : Math.floor(random() * 256)
    const world = engineOf()
    const before = world.native.image(MOST)
    if (!world.native.loadImage(changed)) {
      t.deepEqual(world.native.image(MOST), before)
      continue
    }
    taken += 1
    world.nowMs = one.nowMs
    world.held = [...one.held]
    try {
      drive(world, random, 60)
    } catch (error) {
      // A number that fits its type and nothing else: the engine fails in that call, and goes on.
      t.is(error.code, error.code === 'GenericFailure' ? 'GenericFailure' : 'ATRION_PANIC')
    }
    t.true(world.native.routeIds().length <= ROUTES)
  }
  t.true(taken > 500, `${taken}`)
})
