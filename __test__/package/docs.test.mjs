// The documentation against the code: links lead somewhere, the reference names what there is, the README stays short.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { PAGES } from '../_pages.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const read = (path) => readFileSync(join(ROOT, path), 'utf8')

/** The page without its blocks and spans of code, in which brackets are no links. */
const proseOf = (markdown) =>
  markdown
    .replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''))

/** The anchor of a heading, as GitHub makes it. */
const anchorOf = (heading) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')

const anchorsOf = (path) => {
  const seen = new Map()
  return new Set(
    [
      ...read(path)
        .replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1/gm, '')
        .matchAll(/^#{1,6}\s+(.+)$/gm),
    ].map(([, heading]) => {
      const anchor = anchorOf(heading)
      const times = seen.get(anchor) ?? 0
      seen.set(anchor, times + 1)
      return times === 0 ? anchor : `${anchor}-${times}`
    }),
  )
}

/** Relative links and pictures of a page. */
const linksOf = (path) => {
  const prose = proseOf(read(path))
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g), ...prose.matchAll(/\s(?:src|srcset|href)="([^"]+)"/g)]
  return links.map(([, target]) => target).filter((target) => !/^[a-z]+:/.test(target))
}

/** Returns the reason why a link of a page leads nowhere, or undefined. */
const faultOf = (page, target) => {
  const [path, anchor] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), path)).replaceAll('\\', '/')
  if (file.startsWith('..') || !existsSync(join(ROOT, file))) return `${page}: ${target} leads nowhere`
  if (anchor === undefined || !file.endsWith('.md')) return undefined
  return anchorsOf(file).has(anchor) ? undefined : `${page}: ${target} has no such heading`
}

test('every relative link leads to a file, and to a heading of it', (t) => {
  const links = PAGES.flatMap((page) => linksOf(page).map((target) => [page, target]))
  t.true(links.length > 60, 'links are found')
  t.deepEqual(
    links.map(([page, target]) => faultOf(page, target)).filter((fault) => fault !== undefined),
    [],
  )
})

test('pictures of the site begin with a dot or a slash: the site takes any other path for a package', (t) => {
  const sources = PAGES.filter((page) => page.startsWith('docs/')).flatMap((page) =>
    [...read(page).matchAll(/\s(?:src|srcset)="([^"]+)"|!\[[^\]]*\]\(([^)\s]+)\)/g)].map((found) => [
      page,
      found[1] ?? found[2],
    ]),
  )
  t.true(sources.length >= 3, 'pictures are found')
  t.deepEqual(
    sources.filter(([, path]) => !/^(\.|\/|https?:)/.test(path)),
    [],
  )
})

test('a link to a missing file and one to a missing heading are faults', (t) => {
  t.regex(faultOf('README.md', 'docs/nothing.md'), /leads nowhere/)
  t.regex(faultOf('README.md', 'docs/benchmarks.md#nothing'), /no such heading/)
  t.is(faultOf('README.md', 'docs/benchmarks.md#the-arena'), undefined)
  t.is(faultOf('docs/guide/adapters.md', '#options'), undefined)
})

/** Letters and digits alone, in lower case, so that a name in Rust and its sentence are equal. */
const plainOf = (text) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()

test('every test that the security page names is in the file that it links', (t) => {
  const page = 'docs/operations/security.md'
  const named = [...read(page).matchAll(/\[([^\]]+)\]\((\.\.\/\.\.\/(?:__test__|tests)\/[^)#]+)\)/g)]
  t.true(named.length > 30, `${named.length} tests are named`)
  const missing = named.filter(([, name, file]) => !plainOf(read(join(dirname(page), file))).includes(plainOf(name)))
  t.deepEqual(
    missing.map(([link]) => link),
    [],
  )
})

test('every page of docs/ is reached from the README by links', (t) => {
  const reached = new Set(['README.md'])
  for (const page of reached) {
    for (const target of linksOf(page)) {
      const file = normalize(join(dirname(page), target.split('#')[0])).replaceAll('\\', '/')
      if (PAGES.includes(file)) reached.add(file)
    }
  }
  t.deepEqual(
    PAGES.filter((page) => page.startsWith('docs/') && !reached.has(page) && page !== 'docs/index.md'),
    [],
  )
})

test('every page of docs/ is in the sidebar of the site', (t) => {
  const config = read('docs/.vitepress/config.mjs')
  const listed = new Set(
    [...config.matchAll(/(?:page\([^)]*, |link: )'(\/[^']+)'/g)].map(([, link]) => `docs${link}.md`),
  )
  t.deepEqual(
    PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/index.md' && !listed.has(page)),
    [],
  )
  t.deepEqual(
    [...listed].filter((page) => !PAGES.includes(page)),
    [],
  )
})

test('the README is no longer than 250 lines', (t) => {
  t.true(read('README.md').split('\n').length <= 251)
})

/** Names of an interface's own fields, or of a union's strings. */
const namesOf = (file, name) => {
  const source = read(file)
  const at = source.search(new RegExp(`export (interface|type) ${name}\\b`))
  mustExist(at, `${name} in ${file}`)
  const text = source.slice(at)
  if (text.startsWith('export type')) {
    return [...text.slice(0, text.search(/\n\n/)).matchAll(/'([\w]+)'/g)].map(([, word]) => word)
  }
  const body = text.slice(0, text.search(/^}/m))
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, word]) => word)
}

const mustExist = (at, what) => {
  if (at < 0) throw new Error(`there is no ${what}`)
}

const OPTIONS = 'docs/reference/options.md'
for (const [page, file, name] of [
  [OPTIONS, 'ts/options/options.ts', 'AtrionOptions'],
  [OPTIONS, 'ts/options/options.ts', 'RouteProfileOptions'],
  [OPTIONS, 'ts/core/types.ts', 'PhysicsConfig'],
  [OPTIONS, 'ts/core/types.ts', 'SLOConfig'],
  [OPTIONS, 'ts/limiter/types.ts', 'AcquireOptions'],
  [OPTIONS, 'ts/limiter/types.ts', 'EnterOptions'],
  [OPTIONS, 'ts/limiter/types.ts', 'RunOptions'],
  [OPTIONS, 'ts/limiter/types.ts', 'RouteStats'],
  ['docs/guide/adapters.md', 'ts/adapters/_options.ts', 'AdapterOptions'],
  ['docs/guide/adapters.md', 'ts/adapters/_answer-style.ts', 'AnswerOptions'],
  ['docs/guide/profiles-and-leases.md', 'ts/leases/types.ts', 'LeaseOptions'],
  ['docs/guide/profiles-and-leases.md', 'ts/auto/types.ts', 'AutoProfile'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'SwarmOptions'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'ChildOptions'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'SwarmRunOptions'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'SwarmStats'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'UnitStats'],
  ['docs/guide/agents-under-a-budget.md', 'ts/swarm/types.ts', 'EstimateStats'],
  ['docs/reference/errors.md', 'ts/base/limited-by.ts', 'LimitedBy'],
  ['docs/reference/errors.md', 'ts/base/budget-error.ts', 'BudgetCause'],
  ['docs/reference/errors.md', 'ts/base/budget-error.ts', 'BudgetRefusal'],
  ['docs/reference/errors.md', 'ts/base/errors.ts', 'AtrionErrorCode'],
  ['docs/reference/events.md', 'ts/events/events.ts', 'AtrionEvents'],
  ['docs/reference/events.md', 'ts/core/types.ts', 'PhysicsEvent'],
  [OPTIONS, 'ts/providers/redis/settings.ts', 'RedisStateProviderOptions'],
  [OPTIONS, 'ts/providers/postgres/settings.ts', 'PostgresStateProviderOptions'],
  [OPTIONS, 'ts/providers/machine/settings.ts', 'MachineStateProviderOptions'],
  [OPTIONS, 'ts/providers/postgres/history.ts', 'PostgresPersistenceOptions'],
  [OPTIONS, 'ts/providers/file.ts', 'FileStateProviderOptions'],
  [OPTIONS, 'ts/providers/kv.ts', 'KVStateProviderOptions'],
  [OPTIONS, 'ts/providers/memory.ts', 'InMemoryProviderOptions'],
  [OPTIONS, 'ts/options/watchdog.ts', 'WatchdogOptions'],
  ['docs/guide/adapters.md', 'ts/pressure/pressure.ts', 'PressureOptions'],
  ['docs/guide/adapters.md', 'ts/adapters/undici.ts', 'UndiciOptions'],
  ['docs/guide/bans.md', 'ts/bans/types.ts', 'BanOptions'],
  ['docs/guide/bans.md', 'ts/bans/types.ts', 'Ban'],
  ['docs/guide/bans.md', 'ts/options/options.ts', 'BansOptions'],
  ['docs/guide/live-configuration.md', 'ts/config/types.ts', 'PatchOptions'],
  ['docs/guide/live-configuration.md', 'ts/config/types.ts', 'PatchResult'],
  ['docs/guide/live-configuration.md', 'ts/config/types.ts', 'CanaryOptions'],
  ['docs/guide/live-configuration.md', 'ts/config/types.ts', 'WatchFileOptions'],
  ['docs/guide/language-models.md', 'ts/upstream/options.ts', 'UpstreamOptions'],
  ['docs/guide/language-models.md', 'ts/adapters/upstream.ts', 'SwarmFetchOptions'],
  ['docs/guide/language-models.md', 'ts/adapters/_undici-swarm.ts', 'SwarmUndiciOptions'],
  ['docs/guide/edge-and-browser.md', 'ts/adapters/_guard-fetch.ts', 'GuardFetchOptions'],
  ['docs/guide/edge-and-browser.md', 'ts/adapters/fetch.ts', 'FetchOptions'],
  ['docs/guide/studio.md', 'ts/studio/index.ts', 'StudioOptions'],
  ['docs/guide/record-and-replay.md', 'ts/recording/recording.ts', 'RecordOptions'],
  ['docs/guide/record-and-replay.md', 'ts/recording/recording.ts', 'RecordingStats'],
  ['docs/guide/panels.md', 'ts/devtools/register.ts', 'PanelOptions'],
  ['docs/guide/panels.md', 'ts/hooks/index.ts', 'HookOptions'],
  ['docs/guide/tests-and-simulation.md', 'ts/testing/expect-goodput.ts', 'GoodputOptions'],
  ['docs/guide/cluster.md', 'ts/testing/conformance.ts', 'ConformanceOptions'],
  ['docs/guide/observability.md', 'ts/exporters/prometheus.ts', 'PrometheusOptions'],
  ['docs/guide/observability.md', 'ts/exporters/otel.ts', 'OtelOptions'],
]) {
  test(`${page} names every member of ${name}`, (t) => {
    const names = namesOf(file, name)
    t.true(names.length > 0)
    const text = read(page)
    t.deepEqual(
      names.filter((one) => !new RegExp(`\\b${one}\\b`).test(text)),
      [],
    )
  })
}

test('docs/reference/metrics.md has every series: its names, kind, unit and what it is', (t) => {
  const source = read('ts/exporters/_families.ts')
  const FAMILY = /family\(\s*'([^']+)',\s*'([^']+)',\s*'([^']+)',\s*'([^']*)',\s*'([^']+)',?\s*\)/g
  const families = [...source.matchAll(FAMILY)]
  t.is(families.length, source.match(/: family\(/g).length)
  const page = read('docs/reference/metrics.md')
  for (const [, name, kind, unit, suffix, help] of families) {
    const prometheus = `${name.replaceAll('.', '_')}${suffix}${kind === 'counter' ? '_total' : ''}`
    const line = page
      .split('\n')
      .find((one) => one.startsWith(`| \`${name}\`<br>\`${prometheus}\` | ${kind} | ${unit} |`))
    t.true(line?.endsWith(`| ${help} |`), `${name}: ${line}`)
  }
  t.is(page.match(/<br>/g).length, families.length)
})

test('measured tables are written by the script, not by hand', (t) => {
  for (const page of ['README.md', 'docs/benchmarks.md']) {
    const blocks = [...read(page).matchAll(/<!-- measured: (.+?) -->\n([\s\S]*?)<!-- \/measured -->/g)]
    t.true(blocks.length >= 2)
    for (const [, name, content] of blocks) t.regex(content, /\d/, `${page}: ${name} is empty`)
  }
})

test('the picture is what this build draws', async (t) => {
  t.timeout(PATIENCE_MS)
  const { pictures } = await import('../../scripts/write-picture.mjs')
  for (const [file, svg] of Object.entries(await pictures())) {
    t.true(existsSync(file))
    t.is(readFileSync(file, 'utf8'), svg, 'node scripts/write-picture.mjs draws it anew')
  }
})

test('the roofline is drawn from its record, and its bounds are those of the record', async (t) => {
  const { newestRoofline, rooflinePictures } = await import('../../scripts/write-roofline.mjs')
  const { bandwidthOf, reachOf, TRIAD } = await import('../../benches/lib/roofline.mjs')
  const roofline = newestRoofline()
  for (const [file, svg] of Object.entries(rooflinePictures(roofline))) {
    t.is(readFileSync(file, 'utf8'), svg, 'node scripts/write-roofline.mjs draws it anew')
    t.notRegex(svg, /NaN|Infinity/)
  }
  for (const row of roofline.rows) {
    const { boundMroutes, reached } = reachOf(roofline, row)
    t.true(row.flops * boundMroutes <= roofline.peak * 1000 * (1 + 1e-9), `${row.kernel}, ${row.level}`)
    t.true(row.bytes * boundMroutes <= bandwidthOf(roofline, row.level) * 1000 * (1 + 1e-9))
    if (row.kernel === TRIAD) t.true(Math.abs(reached - 1) < 1e-9)
  }
})
