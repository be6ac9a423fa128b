// Saves learnt state beyond the life of the process: a snapshot is plain JSON.
import { Atrion } from 'atrion'

const before = new Atrion()
for (let tick = 0; tick < 80; tick += 1) before.route('GET /orders', { latencyMs: 90 + (tick % 7) * 15 })
const saved = JSON.stringify(before.snapshot())
console.log(`saved ${saved.length} characters`)

const after = new Atrion()
after.restore(JSON.parse(saved))
const { mean, stdDev, sampleCount, isWarmedUp } = after.getTunerStats('GET /orders')
console.log(
  `restored: R is normally ${mean.toFixed(2)} ± ${stdDev.toFixed(2)} Ω (${sampleCount} ticks, warm ${isWarmedUp})`,
)
console.log(`no bootstrap again: ${after.route('GET /orders', { latencyMs: 90 }).mode}`)

try {
  after.restore([{ ...JSON.parse(saved)[0], mode: 'ASLEEP' }])
} catch (error) {
  console.log(`${error.name}: ${error.message}`)
}
