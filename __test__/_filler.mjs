// A process that writes its state without end, all routes in one round: it is killed from outside.
import { FileStateProvider } from 'atrion'

const [path, routes] = process.argv.slice(2)
const provider = new FileStateProvider(path, { intervalMs: 1 })
await provider.connect()
const known = await provider.getVector('0')
let round = known?.lastTick ?? 0
process.stdout.write('connected\n')
for (;;) {
  round += 1
  const vector = { scar: round / 8, momentumScalar: 0, lastTick: round, resistance: round }
  await Promise.all(Array.from({ length: Number(routes) }, (_, n) => provider.updateVector(`${n}`, vector)))
  await new Promise(setImmediate)
}
