// `npm run demo:studio`: a shop under changing load, with Studio open.
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { cliOf } from '../../scripts/lib/cli.mjs'

const USAGE = `Usage: npm run demo:studio -- [options]

A shop under changing load with Atrion Studio beside it: prints the address of Studio, then one incident after the other, with calm
in between: a zombie dependency, an overload, one sick tenant, a blocked event loop; and what each route refused. All of it is on this
machine, on a free port, and runs until you press Ctrl+C. Requests of this machine may change things there.

  --seconds N   end after so long, 5 to 86400; default: it does not end
  --every N     length of an incident, and of the calm after it, s, 5 to 600; default 20
  --help        this text
`

const INCIDENTS = {
  zombie: 'the stock service turns into a zombie: it accepts calls and answers late and wrongly',
  overload: 'exports are asked for at five times what they can do',
  tenant: 'the shard of one tenant is gone: its orders fail',
  block: 'reports compute for 350 ms at a time on the event loop',
}

const { number } = cliOf(USAGE, { options: { seconds: { type: 'string' }, every: { type: 'string' } } })
const seconds = number('seconds', 5, 86_400)
const everyMs = 1_000 * (number('every', 5, 600) ?? 20)

const { startShop } = await import('./shop.mjs')
const shop = await startShop({
  studio: {
    // Everything here is on this machine and of no worth; a service of yours asks for a session.
    authorize: ({ socket, headers }) =>
      /^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress) &&
      /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(headers.host)
        ? { role: 'write', name: 'demo' }
        : false,
  },
})
const load = new Worker(new URL('./load.mjs', import.meta.url), { workerData: { port: shop.port } })
const stream = shop.atrion.stream()
const watch = new Worker(new URL('./watch.mjs', import.meta.url), {
  workerData: { buffer: stream.buffer, everyMs: everyMs / 4 },
})
const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => ending.abort())
if (seconds !== undefined) setTimeout(() => ending.abort(), 1_000 * seconds)

const say = (text) => console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
console.log(
  `Atrion Studio is at http://127.0.0.1:${shop.port}/atrion${seconds === undefined ? ' until you press Ctrl+C' : ''}.\n`,
)
shop.studio.annotate('shop 1.0 deployed')

const rest = (ms) => pause(ms, undefined, { signal: ending.signal }).catch(() => {})
for (let i = 0; !ending.signal.aborted; i++) {
  say('calm')
  await rest(everyMs)
  if (ending.signal.aborted) break
  const [incident, text] = Object.entries(INCIDENTS)[i % Object.keys(INCIDENTS).length]
  say(text)
  shop.become(incident, true)
  load.postMessage(incident)
  await rest(everyMs)
  shop.become(incident, false)
  load.postMessage('calm')
}
await Promise.all([load.terminate(), watch.terminate()])
stream.stop()
await shop.close()
