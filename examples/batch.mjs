// Many routes in one crossing: telemetry of a thousand shards, judged at once.
import { Atrion } from 'atrion'

const SHARDS = 1000
const atrion = new Atrion({ autoTuner: false })
const ids = Array.from({ length: SHARDS }, (_, i) => `shard-${i}`)
const samples = new Float64Array(SHARDS * 3) // latencyMs, errorRate, saturation of each
const results = new Float64Array(SHARDS * 2) // resistance and mode of each

for (let round = 0; round < 40; round += 1) {
  for (let i = 0; i < SHARDS; i += 1) {
    const isSick = i % 100 === 7
    samples.set(isSick ? [1500, 0.4, 0.9] : [30, 0, 0.3], i * 3)
  }
  atrion.routeBatch(ids, samples, results)
}

const OPEN = 2 // 0 BOOTSTRAP, 1 OPERATIONAL, 2 CIRCUIT_BREAKER
const open = ids.filter((_, i) => results[i * 2 + 1] === OPEN)
console.log(`${SHARDS} shards, ${open.length} with an open breaker: ${open.join(', ')}`)
