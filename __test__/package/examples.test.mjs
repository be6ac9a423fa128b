// Every example runs as a user would run it, and prints what it is there to show.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { PATIENCE_MS } from '../_patience.mjs'

const folder = new URL('../../examples/', import.meta.url)

/** Patterns that the output must match: the point of the example, not its exact numbers. */
const SHOWS = {
  'batch.mjs': [/1000 shards, 10 with an open breaker: shard-7, shard-107,/],
  'http-server.mjs': [/^fast: checkout 20 of 20 served$/m, /^slow: export \d of 20 served$/m],
  'leases.mjs': [/completed: S=0\.00Ω/, /silent: active false, aborted true, S=2\.50Ω/, /heartbeat after the end/],
  'observer.mjs': [/37 decisions made, 0 events seen so far/, /OPERATIONAL → CIRCUIT_BREAKER/, /37 events seen/],
  'open-loop.mjs': [/BOOTSTRAP: OK/, /Insufficient voltage: V=15 ≤ R=/, /Circuit breaker open/, /come back in \d+ ms/],
  'profiles.mjs': [/GET \/health .*CIRCUIT_BREAKER/, /POST \/reports .*R=10\.0Ω.*OPERATIONAL/],
  'provider.mjs': [/first process: S=30\.0Ω/, /"lastTick":15/, /second process: S=30\.0Ω, remembered/],
  'snapshot.mjs': [
    /normally 1\d\.\d\d ± \d\.\d\d Ω \(70 ticks, warm true\)/,
    /no bootstrap again: OPERATIONAL/,
    /ConfigError: snapshot\[0\]\.mode/,
  ],
  'virtual-clock.mjs': [/refused for another 1\d\.\d s/, /highest 211 Ω/],
}

function run(name) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL(name, folder))], { timeout: PATIENCE_MS })
    let output = ''
    let complaints = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      complaints += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, complaints }))
  })
}

/** A module that applications import; a test of its own runs it against a real server. */
const MODULE = 'memcached-store.mjs'

test('every example is known here', (t) => {
  const names = readdirSync(folder).filter((name) => name.endsWith('.mjs') && name !== MODULE)
  t.deepEqual(names.sort(), Object.keys(SHOWS).sort())
})

for (const [name, patterns] of Object.entries(SHOWS)) {
  test(`examples/${name}`, async (t) => {
    const { code, output, complaints } = await run(name)
    t.is(complaints, '')
    t.is(code, 0)
    for (const pattern of patterns) t.regex(output, pattern)
  })
}
