// Long turns of the event loop, full of decisions: nothing could be read meanwhile, so no route was silent.
import ava from 'ava'
import { endedWell, runCode } from '../_child.mjs'
import { engine } from '../_engine.mjs'

const test = engine === 'native' ? ava : ava.skip

/** Calls at once, each of which keeps the loop for `ms` before it waits; in a process of its own, whose loop was never busy before. */
const many = (calls, ms, deadlineMs) => `
  import { setTimeout as sleep } from 'node:timers/promises'
  import { Atrion } from 'atrion'
  const block = (ms) => {
    const endMs = performance.now() + ms
    while (performance.now() < endMs);
  }
  const atrion = new Atrion({ slo: { maxAcceptableLatencyMs: ${deadlineMs} } })
  for (let i = 0; i < 8; i++) await atrion.run('db', () => sleep(5))
  await sleep(500)
  const limits = []
  atrion.on('shed', ({ limitedBy }) => limits.push(limitedBy))
  const call = () => atrion.run('db', () => {
    block(${ms})
    return sleep(5)
  })
  await Promise.allSettled(Array.from({ length: ${calls} }, call))
  await sleep(50)
  console.log(JSON.stringify(limits))`

for (const [calls, ms, deadlineMs] of [
  [200, 3, 50],
  [300, 3, 500],
  [800, 1, 250],
  [50, 20, 500],
]) {
  test(`${calls} calls at once of ${ms} ms each open no breaker at a deadline of ${deadlineMs} ms`, async (t) => {
    const run = await runCode(many(calls, ms, deadlineMs))
    endedWell(t, run)
    t.false(JSON.parse(run.stdout).includes('breaker'))
  })
}
