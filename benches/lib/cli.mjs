/** What the benchmarks' command lines have in common: a wrong one is answered with the usage, and exit code 2. */
import { parseArgs } from 'node:util'

/** The options of a command line, by the `config` of node:util's parseArgs. */
export const cliOf = (usage, config) => {
  const fail = (message) => {
    console.error(`${message}\n\n${usage}`)
    return process.exit(2)
  }
  const parse = () => {
    try {
      return parseArgs(config).values
    } catch (error) {
      return fail(error.message)
    }
  }
  const values = parse()
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  /** An option that is a whole number, at least `least`. */
  const count = (name, least) => {
    const n = Number(values[name])
    if (Number.isInteger(n) && n >= least) return n
    return fail(`--${name} must be a whole number, at least ${least}, got ${values[name]}`)
  }
  return { values, count, fail }
}
