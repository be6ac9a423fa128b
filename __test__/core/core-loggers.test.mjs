import { consoleLogger, createLogger, getLogger, resetLogger, setLogger, silentLogger } from 'atrion'
import test from 'ava'

const LEVELS = ['debug', 'info', 'warn', 'error']

/** A logger that keeps its entries. */
const keeper = () => {
  const entries = []
  const logger = {}
  for (const level of LEVELS) logger[level] = (...entry) => entries.push([level, ...entry])
  return { logger, entries }
}

/** Says something at every level. */
const speak = (logger) => {
  for (const level of LEVELS) logger[level]('message')
}

/** Returns the lines that `act` writes to the console. */
const consoleOf = (act) => {
  const { logger, entries } = keeper()
  const originals = LEVELS.map((level) => [level, console[level]])
  Object.assign(console, logger)
  try {
    act()
  } finally {
    for (const [level, original] of originals) console[level] = original
  }
  return entries
}

test.afterEach(resetLogger)

test.serial('the default is silence', (t) => {
  t.is(getLogger(), silentLogger)
  t.deepEqual(
    consoleOf(() => speak(getLogger())),
    [],
  )
})

test.serial('the logger of the process can be replaced and reset', (t) => {
  const { logger, entries } = keeper()
  setLogger(logger)
  getLogger().warn('message', { key: 1 })
  t.deepEqual(entries, [['warn', 'message', { key: 1 }]])
  resetLogger()
  t.is(getLogger(), silentLogger)
})

test.serial('the console logger writes each level to its own method, with the context when there is one', (t) => {
  const written = consoleOf(() => {
    for (const level of LEVELS) consoleLogger[level]('plain')
    consoleLogger.warn('rich', { key: 1 })
  })
  t.deepEqual(
    written.map(([level]) => level),
    [...LEVELS, 'warn'],
  )
  for (const [level, line] of written) t.true(line.includes('atrion') && line.includes(level), line)
  t.deepEqual(
    written.map((entry) => entry.length),
    [2, 2, 2, 2, 3],
  )
  t.deepEqual(written.at(-1)[2], { key: 1 })
})

for (const [i, minLevel] of LEVELS.entries()) {
  test(`a logger from '${minLevel}' on passes on what is as grave, with its context`, (t) => {
    const { logger, entries } = keeper()
    const filtered = createLogger(minLevel, logger)
    for (const level of LEVELS) filtered[level](level, { level })
    t.deepEqual(
      entries,
      LEVELS.slice(i).map((level) => [level, level, { level }]),
    )
  })
}

test.serial('by default, createLogger warns on the console', (t) => {
  const written = consoleOf(() => speak(createLogger()))
  t.deepEqual(
    written.map(([level]) => level),
    ['warn', 'error'],
  )
})
