/** The type tests alone, against the package as it is built: node scripts/types.mjs */
import { typeSuite } from './lib/suites.mjs'
import { tableOf } from './lib/tally.mjs'

const verdicts = await typeSuite()
console.log(`\n${tableOf(verdicts).join('\n')}`)
process.exit(verdicts.every(({ failed }) => failed === 0) ? 0 : 1)
