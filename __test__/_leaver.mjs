// A process that ends without disconnecting: an hour until the next write must not keep it.
import { FileStateProvider } from 'atrion'

const provider = new FileStateProvider(process.argv[2], { intervalMs: 3_600_000 })
await provider.connect()
await provider.updateVector('a', { scar: 1, momentumScalar: 0, lastTick: 1, resistance: 64 })
