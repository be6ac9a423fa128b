// The scenario of the lab's tests: a calm pool, but for what a test gives.
import { flat } from '../lab/driver/curve.mjs'
import { pool } from '../lab/scenarios/targets.mjs'

export const scenarioOf = (over) => ({
  name: 'test',
  durationS: 60,
  targets: [],
  plant: pool(),
  traffic: [{ load: flat(0.7) }],
  ...over,
})
