// Every npm script has one kind of command line: a help text, and errors that name the option and the nearest right one.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { cliOf, nearestOf } from '../../scripts/lib/cli.mjs'

const root = new URL('../../', import.meta.url)
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

const run = (args) =>
  new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: fileURLToPath(root) }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })

for (const [name, command] of Object.entries(scripts)) {
  const args = command.split(' ').slice(1)
  const usage = `Usage: npm ${name === 'test' ? 'test' : `run ${name.replace(/^build:.*/, 'build')}`} -- `

  test(`npm run ${name}: --help is a help text, and does nothing else`, async (t) => {
    const { code, stdout, stderr } = await run([...args, '--help'])
    t.is(code, 0, stderr)
    t.true(stdout.startsWith(usage), stdout)
    t.regex(stdout, /^ {2}--help +this text$/m)
  })

  // Arguments after `native` belong to napi, which has options of its own.
  if (name !== 'build:native') {
    test(`npm run ${name}: an option that there is not is refused, with the nearest that there is`, async (t) => {
      const { code, stdout, stderr } = await run([...args.slice(1), '--hepl'])
      t.is(code, 2)
      t.is(stdout, '')
      t.true(stderr.startsWith("Unknown option '--hepl'. Did you mean '--help'?\n"), stderr)
      t.true(stderr.includes(usage), stderr)
    })
  }
}

/** The result of a command line: its values, or the way in which the process would end. */
const parsed = (args, config = {}, read = ({ values }) => values) => {
  const { exit } = process
  const { error, log } = console
  const printed = []
  console.error = console.log = (text) => printed.push(text)
  process.exit = (code) => {
    throw new Error(`exit ${code}: ${printed.join('\n')}`)
  }
  try {
    return read(cliOf('Usage: it', config, args))
  } catch ({ message }) {
    return message
  } finally {
    process.exit = exit
    console.error = error
    console.log = log
  }
}
const OPTIONS = { options: { seed: { type: 'string' }, verbose: { type: 'boolean' } } }

test.serial('a command line is read, or refused by what is wrong with it', (t) => {
  t.is(parsed(['--seed', '7'], OPTIONS).seed, '7')
  t.is(parsed(['--help'], OPTIONS), 'exit 0: Usage: it')
  t.regex(parsed(['--sede=7'], OPTIONS), /^exit 2: Unknown option '--sede'. Did you mean '--seed'\?\n\nUsage: it$/)
  t.regex(parsed(['--entirely-other'], OPTIONS), /^exit 2: Unknown option '--entirely-other'\.\n/)
  t.regex(parsed(['-s'], OPTIONS), /^exit 2: Unknown option '-s'/)
  t.regex(parsed(['seven'], OPTIONS), /^exit 2: Unexpected argument 'seven': this command takes options only\./)
  t.regex(parsed(['--seed'], OPTIONS), /^exit 2: Option '--seed <value>' argument missing/)
})

test.serial('numbers and names are refused with their range, and what was given', (t) => {
  const count = ({ count }) => count('seed', 1)
  t.is(
    parsed([], OPTIONS, ({ number }) => number('seed', 0, 1)),
    undefined,
  )
  t.is(parsed(['--seed', '7'], OPTIONS, count), 7)
  for (const wrong of ['0', '1.5', 'x', '', ' ', '1e999', '-1'])
    t.true(
      parsed([`--seed=${wrong}`], OPTIONS, count).startsWith(
        `exit 2: --seed must be a whole number, at least 1, got ${wrong}.`,
      ),
    )
  const half = ({ number }) => number('seed', 0, 1)
  t.is(parsed(['--seed', '0.5'], OPTIONS, half), 0.5)
  t.true(parsed(['--seed', '2'], OPTIONS, half).startsWith('exit 2: --seed must be a number in [0, 1], got 2.'))
  const known = ({ known }) => known('engine', ['nativ'], ['native', 'wasm'])
  t.true(
    parsed([], OPTIONS, known).startsWith("exit 2: No engine 'nativ'; there are native, wasm. Did you mean 'native'?"),
  )
})

test('the nearest name is one that a slip of the hand explains', (t) => {
  const names = ['contestant', 'only', 'seed', 'verbose']
  t.is(nearestOf('contestent', names), 'contestant')
  t.is(nearestOf('cont', names), 'contestant')
  t.is(nearestOf('olny', names), 'only')
  t.is(nearestOf('x', names), undefined)
  t.is(nearestOf('something', names), undefined)
})
