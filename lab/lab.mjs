#!/usr/bin/env node
// The wind tunnel: thirteen scenarios, each with its claims. `--help` says how.
import { parseArgs } from 'node:util'
import { account, tally } from './report/tunnel.mjs'
import { judge } from './tunnel/claims.mjs'
import { TUNNELS, tunnelByName } from './tunnel/index.mjs'

const HELP = `npm run lab -- [name…] [options]

Plays wind-tunnel scenarios in virtual time and holds what is seen against what is claimed. Without a name it lists them.

  --all        every scenario
  --seed <n>   another draw of the same scenarios (default 1)
  --json       figures and claims on stdout instead of text
  --help       this

A ★ marks the results that Atrion is known for. Exits with 1 when a claim does not hold.`

const fail = (message) => {
  console.error(message)
  process.exit(2)
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        all: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`)
  }
}

async function playOne(tunnel, seed) {
  try {
    const figures = await tunnel.play({ seed })
    return { tunnel, figures, claims: judge(tunnel.claims, figures) }
  } catch (error) {
    return { tunnel, figures: {}, claims: judge(tunnel.claims, {}), error: error.stack }
  }
}

async function main() {
  const { values: flags, positionals } = parse()
  if (flags.help) return console.log(HELP)
  const seed = Number(flags.seed)
  if (!Number.isInteger(seed) || seed < 0) fail(`--seed wants a whole number, not '${flags.seed}'.`)
  if (positionals.length === 0 && !flags.all) {
    const names = TUNNELS.map(({ name, aliases = [], shows }) => `${[name, ...aliases].join(', ').padEnd(30)} ${shows}`)
    return console.log(`${names.join('\n')}\n\nnpm run lab -- <name>, or --all`)
  }
  const chosen = flags.all
    ? TUNNELS
    : positionals.map((name) => tunnelByName(name) ?? fail(`No scenario '${name}'; npm run lab lists them.`))
  const results = []
  for (const tunnel of chosen) {
    const result = await playOne(tunnel, seed)
    results.push(result)
    if (!flags.json) console.log(`${account(result)}\n`)
  }
  if (flags.json) {
    const plain = results.map(({ tunnel, figures, claims, error }) => ({ name: tunnel.name, figures, claims, error }))
    console.log(JSON.stringify({ seed, results: plain }))
  } else if (results.length > 1) console.log(results.map(tally).join('\n'))
  process.exitCode = results.every(({ claims }) => claims.every((claim) => claim.met)) ? 0 : 1
}

await main()
