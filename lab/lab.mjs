#!/usr/bin/env node
// The wind tunnel: thirteen scenarios, each with its claims. `--help` says how.
import { cliOf } from '../scripts/lib/cli.mjs'
import { sayCount } from '../scripts/lib/progress.mjs'
import { account, tally } from './report/tunnel.mjs'
import { judge } from './tunnel/claims.mjs'

const USAGE = `Usage: npm run lab -- [name…] [options]

Plays wind-tunnel scenarios in virtual time and holds what is seen against what is claimed. Without a name it lists them.

  --all        every scenario
  --seed <n>   another draw of the same scenarios (default 1)
  --json       figures and claims on stdout instead of text
  --help       this text

A ★ marks the results that Atrion is known for. Exits with 1 when a claim does not hold.`

const {
  values: flags,
  positionals,
  count,
  known,
} = cliOf(USAGE, {
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})

const { TUNNELS, tunnelByName } = await import('./tunnel/index.mjs')

async function playOne(tunnel, seed) {
  try {
    const figures = await tunnel.play({ seed })
    return { tunnel, figures, claims: judge(tunnel.claims, figures) }
  } catch (error) {
    return { tunnel, figures: {}, claims: judge(tunnel.claims, {}), error: error.stack }
  }
}

async function main() {
  const seed = count('seed', 0)
  const names = TUNNELS.flatMap(({ name, aliases = [] }) => [name, ...aliases])
  if (positionals.length === 0 && !flags.all) {
    const lines = TUNNELS.map(({ name, aliases = [], shows }) => `${[name, ...aliases].join(', ').padEnd(30)} ${shows}`)
    return console.log(`${lines.join('\n')}\n\nnpm run lab -- <name>, or --all`)
  }
  const chosen = flags.all ? TUNNELS : known('scenario', positionals, names).map(tunnelByName)
  const results = []
  for (const tunnel of chosen) {
    if (chosen.length > 1) sayCount(results.length, chosen.length, tunnel.name)
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
