/**
 * The command line of every script, benchmark, lab run and demo: options with a help text, and errors that name the option, what it may
 * be and what it was. It reads nothing that has to be built, since the scripts that build read their options by it.
 */
import { parseArgs } from 'node:util'

/** The number of inserted, deleted and replaced characters, and of swapped neighbours, between two words. */
const editsBetween = (a, b) => {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwapped ? rows[i - 2][j - 2] + 1 : replaced
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced, swapped)
    }
  }
  return rows[a.length][b.length]
}

/** The name that was probably meant; undefined where none is near. */
export const nearestOf = (given, names) => {
  const most = Math.max(1, Math.floor(given.length / 3))
  const edits = (name) => (given.length >= 3 && name.startsWith(given) ? 1 : editsBetween(given, name))
  const ranked = [...names].map((name) => ({ name, edits: edits(name) })).sort((a, b) => a.edits - b.edits)
  return ranked[0]?.edits <= most ? ranked[0].name : undefined
}

const hintOf = (given, names, prefix = '') => {
  const nearest = nearestOf(given, names)
  return nearest === undefined ? '' : ` Did you mean '${prefix}${nearest}'?`
}

/** The problem of a command line, in words. */
const problemOf = (error, args, options) => {
  if (error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
    return `Unexpected argument '${/'(.*?)'/s.exec(error.message)?.[1]}': this command takes options only.`
  }
  if (error.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return error.message
  const given = args.find((arg) => /^--?\w/.test(arg) && !isKnown(arg, options)) ?? ''
  const name = given.split('=')[0]
  return `Unknown option '${name}'.${hintOf(name.replace(/^--?/, ''), Object.keys(options), '--')}`
}

const isKnown = (arg, options) => {
  const name = arg.replace(/^--/, '').split('=')[0]
  return arg.startsWith('--') && (name in options || (name.startsWith('no-') && name.slice(3) in options))
}

/**
 * The options of a command line. `--help` prints the usage and ends the process with code 0; a wrong command line is answered on
 * stderr, and ends it with code 2.
 *
 * @param {string} usage the help text
 * @param {import('node:util').ParseArgsConfig} [config] of node:util's parseArgs; `help` is added
 * @param {string[]} [args] the command line, by default the process's
 */
export const cliOf = (usage, config = {}, args = process.argv.slice(2)) => {
  const options = { ...config.options, help: { type: 'boolean', default: false } }
  const fail = (problem) => {
    console.error(`${problem}\n\n${usage.trimEnd()}`)
    return process.exit(2)
  }
  const parse = () => {
    try {
      return parseArgs({ ...config, options, args })
    } catch (error) {
      return fail(problemOf(error, args, options))
    }
  }
  const { values, positionals } = parse()
  if (values.help) {
    console.log(usage.trimEnd())
    process.exit(0)
  }

  /** An option that is a number in [low, high]; undefined where it was not given. */
  const number = (name, low, high) => {
    if (values[name] === undefined) return undefined
    const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
    if (value >= low && value <= high) return value
    return fail(`--${name} must be a number in [${low}, ${high}], got ${values[name]}.`)
  }
  /** An option that is a whole number, at least `least`; undefined where it was not given. */
  const count = (name, least) => {
    if (values[name] === undefined) return undefined
    const value = values[name].trim() === '' ? Number.NaN : Number(values[name])
    if (Number.isSafeInteger(value) && value >= least) return value
    return fail(`--${name} must be a whole number, at least ${least}, got ${values[name]}.`)
  }
  /** Names that were given of things that there are `names` of; a wrong one is answered with all of them. */
  const known = (what, given, names) => {
    const wrong = given.find((name) => !names.includes(name))
    return wrong === undefined
      ? given
      : fail(`No ${what} '${wrong}'; there are ${names.join(', ')}.${hintOf(wrong, names)}`)
  }
  return { values, positionals, fail, number, count, known }
}
