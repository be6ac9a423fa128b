#!/usr/bin/env node
/** `npx atrion`: what this machine makes of the package, what its calls cost here, and Studio of a service that runs. */

import { VERSION } from '../addon/addon.js'
import { bench } from './bench.js'
import { doctor } from './doctor.js'
import { replay } from './replay.js'
import { studio } from './studio.js'
import { tune } from './tune.js'
import { UsageError } from './usage.js'

interface Command {
  readonly summary: string
  readonly help: string
  /** @returns the exit code @throws UsageError */
  run(args: readonly string[]): Promise<number>
}

const COMMANDS: Readonly<Record<string, Command>> = { doctor, bench, studio, replay, tune }

const HELP = `Usage: atrion <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  .join('\n')}

  atrion <command> --help   the command's options
  atrion --version          the package's version`

const commandOf = (name: string): Command | undefined => (Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined)

/** Names the commands that there are. @returns the exit code */
function refuse(name: string): number {
  console.error(
    `atrion: there is no command '${name}'; the commands are ${Object.keys(COMMANDS).join(', ')}\n\n${HELP}`,
  )
  return 2
}

/** @returns the exit code: 2 for what was called wrongly */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const about = name === 'help' ? args[0] : undefined
    const command = about === undefined ? undefined : commandOf(about)
    if (about !== undefined && command === undefined) return refuse(about)
    console.log(command?.help ?? HELP)
    return name === undefined ? 2 : 0
  }
  if (name === '--version' || name === '-v') {
    console.log(VERSION)
    return 0
  }
  const command = commandOf(name)
  if (command === undefined) return refuse(name)
  if (args.includes('--help') || args.includes('-h')) {
    console.log(command.help)
    return 0
  }
  try {
    return await command.run(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`atrion ${name}: ${error.message}\n\n${command.help}`)
    return 2
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    console.error(`atrion: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  },
)
