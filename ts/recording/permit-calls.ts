/**
 * A recorded engine's `acquire` and `release`, which are what a recording costs a request. Their entries are put together in local variables,
 * and what few requests have is written elsewhere: so V8 compiles each of them as one piece, without a call but that of the engine.
 */

import { FRAME, NO_SLOT, STATUS } from '../engine/port.js'
import type { Coder } from './coder.js'
import { ACQUIRE, digestOf, ENTRY, EXTRA, NUMBER, RELEASE, RESULT, SIZE } from './format.js'

/** Permits whose sampling is remembered. */
const MOST_PLACES = 1 << 22
/** Marks a place whose permit is not in the recording. */
const NOT_RECORDED = -1

/** A local copy, since an imported name of another chunk is a getter. */
const digest = digestOf
const R_WORD = FRAME.RESISTANCE * SIZE.WORDS
const V_WORD = FRAME.VOLTAGE * SIZE.WORDS
const RETRY_WORD = FRAME.RETRY_AFTER_MS * SIZE.WORDS
const BOTH = STATUS.ALLOW | STATUS.TICKED

/** Counts the decisions that were not recorded because of the sampling. */
export interface Skips {
  skipped: number
}

/** Writes a whole number in [0, 2³²). @returns the next byte */
function putVarint(bytes: Uint8Array, from: number, value: number): number {
  let at = from
  let left = value
  while (left > 127) {
    bytes[at++] = left | 128
    left >>>= 7
  }
  bytes[at++] = left
  return at
}

/** The place of a permit: its low bits, as a whole number. */
const placeOf = (permit: number): number => (permit | 0) & (SIZE.PLACES - 1)
/** The generation of a permit, plus one. */
const markOf = (permit: number): number => ((permit / SIZE.PLACES) | 0) + 1

/** Remembers the permit of a place. @returns its place; −1 of one that has none */
function hold(coder: Coder, permit: number, isRecorded: boolean): number {
  if (!(permit < SIZE.MOST_PERMIT)) return -1
  const place = placeOf(permit)
  if (place >= coder.generations.length && !coder.widen(place, MOST_PLACES)) return place
  coder.generations[place] = isRecorded ? markOf(permit) : NOT_RECORDED
  return place
}

/** The bits of a request's extras, in the frame. */
function extrasOf(frame: Float64Array, key: number): number {
  const waitedMs = frame[FRAME.WAITED_MS]!
  let extras = 0
  if (frame[FRAME.QUEUE_AGE_MS] !== 0) extras |= EXTRA.QUEUE_AGE
  if (frame[FRAME.PROCESS_SATURATION] !== 0) extras |= EXTRA.PROCESS
  if (waitedMs !== -1) extras |= EXTRA.WAITED
  if (key >= 0) {
    const keyClass = frame[FRAME.KEY_CLASS]!
    if (frame[FRAME.KEY_WEIGHT] !== 1) extras |= EXTRA.WEIGHT
    if (keyClass >= 0) extras |= keyClass === key ? EXTRA.CLASS_IS_KEY : EXTRA.CLASS
    if (frame[FRAME.KEY_LANE] !== 0) extras |= EXTRA.LANE
  }
  return extras
}

/** Writes the extras of a request in the frame. @param givenUp the cause for which it no longer waits; 0: none */
function writeExtras(coder: Coder, frame: Float64Array, bits: number, givenUp: number): void {
  const { writer } = coder
  const ageMs = frame[FRAME.QUEUE_AGE_MS]!
  const process = frame[FRAME.PROCESS_SATURATION]!
  const waitedMs = frame[FRAME.WAITED_MS]!
  const isGivenUp = waitedMs === Number.POSITIVE_INFINITY && givenUp !== 0
  writer.byte(isGivenUp ? bits | EXTRA.GIVEN_UP : bits)
  if ((bits & EXTRA.QUEUE_AGE) !== 0) {
    if (ageMs === coder.lastAgeMs) writer.byte(NUMBER.SAME)
    else writer.number(ageMs)
    coder.lastAgeMs = ageMs
  }
  if ((bits & EXTRA.PROCESS) !== 0) {
    if (process === coder.lastProcess) writer.byte(NUMBER.SAME)
    else writer.number(process)
    coder.lastProcess = process
  }
  if ((bits & EXTRA.WAITED) !== 0) writer.number(waitedMs)
  if ((bits & EXTRA.WEIGHT) !== 0) writer.number(frame[FRAME.KEY_WEIGHT]!)
  if ((bits & EXTRA.CLASS) !== 0) writer.double(frame[FRAME.KEY_CLASS]!)
  if (isGivenUp) writer.byte(givenUp)
  if ((bits & EXTRA.LANE) !== 0) writer.byte(frame[FRAME.KEY_LANE]!)
}

/** A recorded `acquire`. @param sample the share of the decisions that are recorded */
export function acquireOf(acquire: () => void, coder: Coder, sample: number, skips: Skips): () => void {
  const { engine, writer } = coder
  const isSampled = sample < 1
  return () => {
    let { frame } = coder
    // A frame of a memory that grew has no cells.
    if (frame.length === 0) frame = coder.look()
    const slot = frame[FRAME.SLOT]! | 0
    if (coder.known[slot] !== coder.epoch || writer.at >= writer.full) {
      if (slot < 0) {
        // NO_SLOT: no route, and no decision.
        acquire()
        return
      }
      coder.ready(slot)
      frame = coder.look()
    }
    // Cells that the engine writes over are read before it.
    const asked = frame[FRAME.TIER]!
    const tier = asked >= 0 && asked < ACQUIRE.TIERS ? asked | 0 : ACQUIRE.BY_VOLTAGE
    const askedVoltage = tier === ACQUIRE.BY_VOLTAGE ? frame[FRAME.VOLTAGE]! : 0
    const givenUp = frame[FRAME.CAUSE]! | 0
    acquire()
    if (frame.length === 0) frame = coder.look()
    const nowMs = engine.lastRead(false)
    if (frame[FRAME.STALLS] !== coder.stalls) coder.writeStalls()
    const status = frame[FRAME.STATUS]! | 0
    const isAllowed = (status & STATUS.ALLOW) !== 0
    const permit = frame[FRAME.PERMIT]!
    if (isSampled && Math.random() >= sample) {
      if (isAllowed) hold(coder, permit, false)
      skips.skipped += 1
      return
    }
    const key = frame[FRAME.KEY]!
    const hasKey = key >= 0
    const extras = extrasOf(frame, key)
    const isSame = slot === coder.lastSlot
    if (!isSame) coder.lastSlot = slot
    const steps = writer.stepsTo(nowMs)
    const { bytes, view } = writer
    let { at } = writer
    bytes[at++] =
      ACQUIRE.OP |
      (tier * ACQUIRE.TIER) |
      (hasKey ? ACQUIRE.KEY : 0) |
      (extras !== 0 ? ACQUIRE.EXTRAS : 0) |
      (isSame ? ACQUIRE.SAME_SLOT : 0) |
      (steps < 0 ? ACQUIRE.FULL_TIME : 0)
    if (steps >= 0) at = putVarint(bytes, at, steps)
    else {
      view.setFloat64(at, nowMs, true)
      at += 8
    }
    writer.lastMs = nowMs
    if (!isSame) at = putVarint(bytes, at, slot)
    const cause = frame[FRAME.CAUSE]! | 0
    const place = isAllowed ? hold(coder, permit, true) : -1
    bytes[at++] =
      (status & BOTH) |
      ((status & STATUS.STALE) !== 0 ? RESULT.STALE : 0) |
      ((status & STATUS.WAIT) !== 0 ? RESULT.WAIT : 0) |
      ((frame[FRAME.MODE]! | 0) * RESULT.MODE) |
      (cause !== 0 ? RESULT.CAUSE : 0) |
      (isAllowed && place < 0 ? RESULT.NO_PLACE : 0)
    if (cause !== 0) bytes[at++] = cause
    if (place >= 0) at = putVarint(bytes, at, place)
    if (hasKey) {
      view.setFloat64(at, key, true)
      at += 8
    }
    if (extras !== 0 || tier === ACQUIRE.BY_VOLTAGE) {
      writer.at = at
      if (extras !== 0) writeExtras(coder, frame, extras, givenUp)
      if (tier === ACQUIRE.BY_VOLTAGE) writer.number(askedVoltage)
      at = writer.at
    }
    view.setInt32(at, digest(coder.words, R_WORD, V_WORD, RETRY_WORD), true)
    writer.at = at + 4
    writer.decisions += 1
    if (permit === SIZE.MOST_PERMIT && isAllowed) coder.beginRare(ENTRY.FAULT, engine.readClock(true))
  }
}

/** A recorded `release`. */
export function releaseOf(release: () => void, coder: Coder): () => void {
  const { engine, writer } = coder
  return () => {
    let { frame } = coder
    if (frame.length === 0) frame = coder.look()
    const permit = frame[FRAME.PERMIT]!
    const isConcluded = permit < 0
    if (isConcluded || writer.at >= writer.full) {
      coder.ready(isConcluded ? frame[FRAME.SLOT]! : NO_SLOT)
      frame = coder.look()
    }
    const given = frame[FRAME.OUTCOME]! | 0
    const slot = isConcluded ? frame[FRAME.SLOT]! : 0
    const ageMs = isConcluded ? frame[FRAME.AGE_MS]! : 0
    release()
    if (frame.length === 0) frame = coder.look()
    const nowMs = engine.lastRead(false)
    if (frame[FRAME.STALLS] !== coder.stalls) coder.writeStalls()
    const outcome = given & RELEASE.OUTCOMES
    let isTicked = false
    let isWhole = true
    let place = -1
    if (!isConcluded) {
      const status = frame[FRAME.STATUS]! | 0
      // A permit that was void changes nothing.
      if ((status & STATUS.VOID) !== 0 || permit >= SIZE.MOST_PERMIT) return
      place = placeOf(permit)
      const mark = coder.generations[place]
      if (mark === NOT_RECORDED) return
      isTicked = (status & STATUS.TICKED) !== 0
      isWhole = mark !== markOf(permit)
    }
    // The permit of a call has an additional bit.
    if (given > RELEASE.OUTCOMES && frame[FRAME.EXCUSED_MS]! > 0) {
      writer.byte(ENTRY.EXCUSED)
      coder.time(writer.lastMs)
      writer.double(frame[FRAME.EXCUSED_MS]!)
    }
    const steps = writer.stepsTo(nowMs)
    const { bytes } = writer
    let { at } = writer
    bytes[at++] =
      RELEASE.OP |
      (outcome * RELEASE.OUTCOME) |
      (steps < 0 ? RELEASE.FULL_TIME : 0) |
      (isTicked ? RELEASE.TICKED : 0) |
      (isWhole ? RELEASE.FULL_PERMIT : 0)
    if (steps >= 0) at = putVarint(bytes, at, steps)
    else {
      writer.view.setFloat64(at, nowMs, true)
      at += 8
    }
    writer.lastMs = nowMs
    if (!isWhole) {
      writer.at = putVarint(bytes, at, place)
      return
    }
    writer.at = at
    writer.double(permit)
    if (!isConcluded) return
    writer.varint(slot)
    writer.double(ageMs)
  }
}
