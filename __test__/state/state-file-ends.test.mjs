// Processes that write their state to a file, and end: by themselves, or killed at any instant.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { endedWell, runScript } from '../_child.mjs'
import { until } from '../_patience.mjs'
import { besides, connected, newPath } from './_files.mjs'

test('temporary files of dead processes are removed, and nothing else', async (t) => {
  const path = newPath()
  const own = dirname(path)
  const longAgo = new Date(Date.now() - 3_600_000)
  const dead = 2 ** 22 + 1 // above every id that Linux gives
  const leave = (name, time) => {
    writeFileSync(join(own, name), 'x')
    if (time) utimesSync(join(own, name), time, time)
  }
  leave(`.state.json.${dead}.a.tmp`)
  leave(`.state.json.${process.ppid}.a.tmp`, longAgo)
  leave(`.state.json.${process.pid}.a.tmp`, longAgo)
  const kept = [`.state.json.${process.ppid}.b.tmp`, `.state.json.${process.pid}.b.tmp`]
  kept.push('.state.json.notes.tmp', '.state.json.1', `.other.json.${dead}.a.tmp`, `state.json.${dead}.a.tmp`)
  for (const name of kept) leave(name)
  await connected(path)
  t.deepEqual(readdirSync(own).sort(), kept.sort())
})

test('a process with a connected provider ends by itself', async (t) => {
  const path = newPath()
  endedWell(t, await runScript('_leaver.mjs', { args: [path] }))
  t.false(existsSync(path))
})

/**
 * Starts a process that writes without end, and kills it after it has begun: at a random instant, or in the middle of a snapshot that follows one of its
 * own. Resolves to how it ended.
 */
const fillAndKill = async (path, routes, isMidway) => {
  const writtenAt = () => (existsSync(path) ? statSync(path).mtimeMs : 0)
  const before = writtenAt()
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../_filler.mjs', import.meta.url)), path, `${routes}`],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const ended = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), ended])
  if (isMidway) await until(() => writtenAt() !== before && besides(path).length > 0, 'a second snapshot')
  else await sleep(Math.random() * 250)
  child.kill('SIGKILL')
  const [code, signal] = await ended
  return signal ?? code
}

test('killed at any instant it leaves its last complete snapshot', async (t) => {
  const [ROUTES, KILLS, LANES] = [500, 56, 4]
  let leftovers = 0
  let advances = 0
  const lane = async () => {
    const path = newPath()
    let last = 0
    // A snapshot may be complete by the time that the signal comes: then there are more.
    const isEnough = () => leftovers >= KILLS / 4 && advances >= KILLS / 4
    for (let kill = 0; kill < KILLS / LANES || (!isEnough() && kill < 8 * KILLS); kill++) {
      t.is(await fillAndKill(path, ROUTES, kill % 2 === 1), 'SIGKILL')
      leftovers += besides(path).length
      const provider = await connected(path)
      t.deepEqual(besides(path), [], 'what it left is cleared away')
      const vectors = [...(await provider.load(Number.POSITIVE_INFINITY))].map(([, vector]) => vector)
      await provider.disconnect()
      // Before the first complete snapshot there is none.
      if (last === 0 && vectors.length === 0) continue
      const round = vectors[0].lastTick
      t.is(vectors.length, ROUTES)
      t.true(vectors.every(({ lastTick, scar }) => lastTick === round && scar === round / 8))
      t.true(round >= last, `${round} after ${last}`)
      if (round > last) advances += 1
      last = round
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  t.log(`${KILLS} kills, ${leftovers} of them while a snapshot was written; ${advances} brought a new snapshot`)
  t.true(leftovers >= KILLS / 4, `only ${leftovers} kills came while a snapshot was written`)
  t.true(advances >= KILLS / 4, `only ${advances} brought a new snapshot`)
})
