// The client, a process of its own: sends the planned requests at the planned moments, to one server after the other, whatever
// comes back (open loop), and reports what became of each. Argument: the plan. A message with new `backends` makes it leave the old ones.
import { generate } from '../generator.mjs'
import { createClient } from '../http.mjs'
import { CALL_TIMEOUT_MS, createArrivals } from './plan.mjs'

/** Longer than a server may take, so that its own verdict is seen. */
const CLIENT_TIMEOUT_MS = CALL_TIMEOUT_MS + 1000

const [, , planText] = process.argv
const plan = JSON.parse(planText)
let backends = []
let turn = 0

/** Takes over the list of servers; a connection to one that is no longer in it is closed once it is idle. */
function replace(servers) {
  const kept = new Map(backends.map((backend) => [backend.port, backend]))
  backends = servers.map((one) => kept.get(one.port) ?? { ...one, client: createClient(one.port, 256), underWay: 0 })
  const gone = [...kept.values()].filter((old) => !backends.includes(old))
  for (const old of gone) retire(old)
}

function retire(backend) {
  backend.isGone = true
  if (backend.underWay > 0) return
  backend.client.close()
  process.send({ type: 'left', port: backend.port })
}

async function send({ id, atMs }) {
  const backend = backends[turn++ % backends.length]
  backend.underWay += 1
  const { status, json } = await backend.client.call(`/${id}`, undefined, CLIENT_TIMEOUT_MS)
  backend.underWay -= 1
  if (backend.isGone) retire(backend)
  const { server, generation } = backend
  const outcome = status === 503 ? 'refused' : json.kind
  return { atMs, server, generation, outcome, isProbe: json.isProbe === true }
}

process.on('message', (message) => message.type === 'backends' && replace(message.backends))
generate(
  createArrivals(plan).map((atMs, id) => ({ id, atMs })),
  send,
)
