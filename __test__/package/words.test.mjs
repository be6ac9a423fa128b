// The vocabulary: terms that were replaced by the field's own, and figures of speech, come back nowhere.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const FOLDERS = ['ts', '__test__', 'lab', 'demo', 'benches', 'docs', 'examples', 'scripts']
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md']
const SKIPPED = /(?:^|\/)(?:node_modules|record|cache|dist|api|vectors)\/|^docs\/demo\/|words\.test\.mjs$/
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

/** Words of conversation and of persons, in any case. */
const FIGURES = ['told', 'said', 'hears', 'nobody', 'whoever', 'somebody', 'anybody', 'courier', 'pulse', 'pulses']

/** Calls of the addon's function of that name. */
const ALLOWED = [/\bpulse\(link/, /\bpulse\(this\.#native\.link/, /^\s*pulse: \(link/, /engine\.pulse\(other/]

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
    if (ALLOWED.some((allowed) => allowed.test(line))) return []
    // A word behind the escape of a line's end is a word.
    const words = line.replace(/\\[nrt]/g, ' ')
    const found = names.exec(words) ?? figures.exec(words)
    return found === null ? [] : [`${i + 1}: ${found[0]}`]
  })
}

/** Comments that begin with a question: the first sentence of one says what a thing is or does. */
const QUESTION = /^\s*(?:\/\/[/!]?|\/\*\*) (?:What|Where|How|Whether|Who|Whose|Why|Which) /

test('no comment of the sources begins with a question', (t) => {
  const rust = readdirSync(join(ROOT, 'src'), { recursive: true }).map((file) => `src/${file.replaceAll('\\', '/')}`)
  const sources = [...filesIn('ts'), ...rust.filter((file) => file.endsWith('.rs'))]
  t.true(sources.length > 200, `${sources.length} files are read`)
  const found = sources.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (QUESTION.test(line) ? [`${file}:${i + 1}:${line}`] : [])),
  )
  t.deepEqual(found, [])
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
  t.deepEqual(termsIn('this.#cluster.pulse(link, gamma)'), [])
})
