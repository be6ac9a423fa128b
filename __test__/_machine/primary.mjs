// The primary of node:cluster: it passes what it is asked on to the worker that is named, and the answer back.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

cluster.setupPrimary({ exec: fileURLToPath(new URL('node.mjs', import.meta.url)) })
const workers = Array.from({ length: Number(process.argv[2]) }, (_, n) => {
  const worker = cluster.fork()
  // A worker's first message says that it listens: what comes before is lost.
  const isReady = once(worker, 'message')
  worker.on('message', (message) => process.send({ ...message, id: `${n} ${message.id}` }))
  return { worker, isReady }
})
// Nothing of a test outlives it.
process.on('disconnect', () => process.exit())
process.on('message', async ({ id, task, ...given }) => {
  const [n, rest] = id.split(' ')
  const { worker, isReady } = workers[n]
  await isReady
  if (task === 'kill') worker.process.kill('SIGKILL')
  else worker.send({ id: rest, task, ...given })
})
