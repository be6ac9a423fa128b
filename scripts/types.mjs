/** The type tests alone, against the package as it is built: node scripts/types.mjs */
import { cliOf } from './lib/cli.mjs'
import { typeSuite } from './lib/suites.mjs'
import { tableOf } from './lib/tally.mjs'

cliOf(`Usage: npm run test:types -- [options]

Compiles the type tests against the package as it is built, as CommonJS and as ESM, and runs them.

  --help   this text`)

const verdicts = await typeSuite()
console.log(`\n${tableOf(verdicts).join('\n')}`)
process.exit(verdicts.every(({ failed }) => failed === 0) ? 0 : 1)
