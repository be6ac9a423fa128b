// The vocabulary: terms that were replaced by the field's own, and figures of speech, come back nowhere.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const FOLDERS = ['ts', '__test__', 'lab', 'demo', 'benches', 'docs', 'examples', 'scripts']
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
const SKIPPED = /(?:^|\/)(?:\.[^/]+|node_modules|record|cache|dist|api|vectors)\/|^docs\/demo\/|words\.test\.mjs$/
const TEXTS = /\.(?:ts|mjs|cjs|js|md|html|css)$/

/** Identifiers and file names, with what stands for them now. */
const OLD_NAMES = {
  Pulse: 'SyncLoop',
  Courier: 'SyncTransport',
  Voices: 'PeerReports',
  Voice: 'PeerReport',
  Chorus: 'PeerAggregate',
  LeaseBook: 'LeaseManager',
  Passage: 'ResponseTracker',
  Asking: 'AcquireParams',
  Turnstile: 'TrackerHost',
  LawSource: 'RouteParams',
  tenancy: 'generation',
  tenancyOf: 'generationOf',
  hush: 'stopListening',
}

/** The same, in lab, benches and demos. */
const OLD_NAMES_OF_RUNS = { crew: 'worker-pool', wanted: 'targets' }

/** Words of conversation and of persons, in any case, as patterns. */
const FIGURES = [
  ...'told said hears nobody whoever somebody anybody everybody anyone someone courier pulse pulses'.split(' '),
  ...'house houses voice voices'.split(' '),
  "one['’]s own",
]

const filesIn = (folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => TEXTS.test(file) && !SKIPPED.test(file))

const FILES = [...FOLDERS.flatMap(filesIn), ...PAGES]

/** The lines of a text that have one of the old terms, as 'line: term'. */
const termsIn = (text, old = OLD_NAMES) => {
  const names = new RegExp(`\\b(?:${Object.keys(old).join('|')})\\b`)
  const figures = new RegExp(`\\b(?:${FIGURES.join('|')})\\b`, 'i')
  return text.split('\n').flatMap((line, i) => {
    // A word behind the escape of a line's end is a word.
    const words = line.replace(/\\[nrt]/g, ' ')
    const found = names.exec(words) ?? figures.exec(words)
    return found === null ? [] : [`${i + 1}: ${found[0]}`]
  })
}

const QUESTION_WORDS =
  'what where how whether who whom whose why which whatever whoever whichever whenever wherever'.split(' ')
const SMALL = `(?:${QUESTION_WORDS.join('|')})`
const CAPITAL = `(?:${QUESTION_WORDS.map((word) => word[0].toUpperCase() + word.slice(1)).join('|')})`

/** Comments that begin with a question: the first sentence of one says what a thing is or does. */
const QUESTION = new RegExp(`^\\s*(?://[/!]?|/\\*\\*) ${CAPITAL} `)
/** The same in a block, whose first line is empty. */
const QUESTION_IN_BLOCK = new RegExp(`/\\*\\*\\n\\s*\\* ${CAPITAL} [^\\n]*`, 'g')

/** Names of tests that are riddles: a name says what holds, of a thing that it names. */
const RIDDLE = new RegExp(`^\\s*[a-zA-Z.]+\\(\\s*['"\`](?:\\.\\.\\. )?${SMALL} |\\bfn ${SMALL}_\\w+\\(`)

/** The lines of a text that a pattern matches, as 'line: text'. */
const linesOf = (text, pattern) =>
  text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${i + 1}: ${line.trim()}`] : []))

const questionsIn = (text) => [...linesOf(text, QUESTION), ...(text.match(QUESTION_IN_BLOCK) ?? [])]

/** Every file of code: TypeScript, JavaScript, Rust. */
const CODE = ['src', 'tests', 'fuzz', ...FOLDERS]
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  )
  .filter((file) => /\.(?:rs|[mc]?[jt]s)$/.test(file) && !SKIPPED.test(file) && !/(?:^|\/)target\//.test(file))

/** All matches of `find` in the files of code, as 'file:line: text'. */
const inCode = (find) =>
  CODE.flatMap((file) => find(readFileSync(join(ROOT, file), 'utf8')).map((found) => `${file}:${found}`))

test('no comment begins with a question', (t) => {
  t.true(CODE.length > 600, `${CODE.length} files are read`)
  t.deepEqual(inCode(questionsIn), [])
})

test('no name of a test is a riddle', (t) => {
  t.deepEqual(
    inCode((text) => linesOf(text, RIDDLE)),
    [],
  )
})

test('a question and a riddle are found', (t) => {
  t.deepEqual(questionsIn('  // What it does.\nx\n/** Whoever asks. */'), [
    '1: // What it does.',
    '3: /** Whoever asks. */',
  ])
  t.is(questionsIn('/**\n * How it goes\n */').length, 1)
  t.deepEqual(questionsIn('  // Somewhat.\n// what follows goes on'), [])
  t.is(
    linesOf("test('what is told is told')\nfn who_waits_waits() {\nclosed('... where it is not', x)", RIDDLE).length,
    3,
  )
  t.deepEqual(linesOf("test('a refusal names what stood in the way', () => {", RIDDLE), [])
})

test('no old term in sources, tests, documentation, lab, benches and demos', (t) => {
  t.true(FILES.length > 300, `${FILES.length} files are read`)
  const found = FILES.flatMap((file) => {
    const old = /^(?:lab|benches|demo)\//.test(file) ? { ...OLD_NAMES, ...OLD_NAMES_OF_RUNS } : OLD_NAMES
    return termsIn(readFileSync(join(ROOT, file), 'utf8'), old).map((term) => `${file}:${term}`)
  })
  t.deepEqual(found, [])
})

test('no file has an old name', (t) => {
  const old = /(?:^|[/_-])(?:pulse|courier|voices|chorus|passage|asking|crew|wanted|tasks)(?:[._-]|$)/
  t.deepEqual(
    FILES.filter((file) => old.test(file)),
    [],
  )
})

test('the search finds what it searches for, and whole words alone', (t) => {
  t.deepEqual(termsIn('an Atrion is told of it\n class Pulse {}\n const wantedShare = retold'), ['1: told', '2: Pulse'])
  t.deepEqual(termsIn('print("all met\\n\\ntold")'), ['1: told'])
  t.deepEqual(termsIn('this.#cluster.pulse(link, gamma)'), ['1: pulse'])
})
