// fast-check with the seed of the run. `npm test` draws the same inputs on every machine, so that a failure is of the change that is
// tested; `npm run fuzz -- --target properties` draws new ones (FUZZ_SEED=random). FUZZ_SEED=<integer> repeats a run.
import fc from 'fast-check'

const given = process.env.FUZZ_SEED ?? '20261126'
/** An integer. */
export const SEED = given === 'random' ? Math.trunc(Math.random() * 2 ** 31) : Number(given)
if (!Number.isInteger(SEED)) throw new Error(`FUZZ_SEED must be an integer or 'random', got '${given}'`)
fc.configureGlobal({ seed: SEED })

export default fc
