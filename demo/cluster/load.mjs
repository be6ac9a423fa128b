// The client, a process of its own: sends the planned requests at the planned moments, to one server after the other, whatever
// comes back (open loop), and reports what became of each. Argument: the plan.
import { generate } from '../generator.mjs'
import { createClient } from '../http.mjs'
import { CALL_TIMEOUT_MS, createArrivals } from './plan.mjs'

/** Longer than a server may take, on a machine that is busy with other work, too: its own verdict is to be seen. */
const CLIENT_TIMEOUT_MS = CALL_TIMEOUT_MS + 30_000

const [, , planText] = process.argv
const plan = JSON.parse(planText)
let backends = []
let turn = 0

/** Takes over the list of servers; resolves when the last answer of those that are no longer in it has come. */
async function replace(servers) {
  const kept = new Map(backends.map((backend) => [backend.port, backend]))
  backends = servers.map((one) => kept.get(one.port) ?? { ...one, client: createClient(one.port, 256), underWay: 0 })
  await Promise.all([...kept.values()].filter((old) => !backends.includes(old)).map(retire))
}

async function retire(backend) {
  if (backend.underWay > 0) await new Promise((resolve) => (backend.onIdle = resolve))
  backend.client.close()
}

async function send({ id, atMs }) {
  const backend = backends[turn++ % backends.length]
  backend.underWay += 1
  const { status, json } = await backend.client.call(`/${id}`, undefined, CLIENT_TIMEOUT_MS)
  backend.underWay -= 1
  if (backend.underWay === 0) backend.onIdle?.()
  const { server, generation } = backend
  const outcome = status === 503 ? 'refused' : json.kind
  return { atMs, server, generation, outcome, isProbe: json.isProbe === true }
}

generate(
  createArrivals(plan).map((atMs, id) => ({ id, atMs })),
  send,
  { replace },
)
