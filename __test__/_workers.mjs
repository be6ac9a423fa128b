// Starts and stops 100 threads that decide, some of them in the middle of it, while this one decides too.
import { Worker } from 'node:worker_threads'
import { work } from './_worker.mjs'

const WORKERS = 100
const AT_ONCE = 4
const TICKS = 3000
const ENDINGS = ['return', 'exit', 'terminate', 'at once']

const expected = await work(7, TICKS)

const runOne = (ending) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./_worker.mjs', import.meta.url), {
      workerData: { seed: 7, ticks: TICKS, ending },
    })
    let answer
    worker.on('error', reject)
    worker.on('message', ({ fingerprint }) => {
      answer = fingerprint
      if (ending === 'terminate') worker.terminate()
    })
    worker.on('exit', () => resolve(answer))
    if (ending === 'at once') worker.on('online', () => worker.terminate())
  })

let started = 0
let agreed = 0
let differed = 0
const lane = async () => {
  while (started < WORKERS) {
    const ending = ENDINGS[started++ % ENDINGS.length]
    const answer = await runOne(ending)
    if (answer === expected) agreed += 1
    else if (answer !== undefined || ending !== 'at once') differed += 1
  }
}
const lanes = Promise.all(Array.from({ length: AT_ONCE }, lane))
let own = 0
for (let finished = false; !finished; own++) {
  await work(own, 500)
  finished = await Promise.race([lanes.then(() => true), new Promise((resolve) => setImmediate(resolve, false))])
}
console.log(JSON.stringify({ started, agreed, differed, own, expected }))
