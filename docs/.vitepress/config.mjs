// The site that `npm run docs` builds from the pages beside it.
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { defineConfig } from 'vitepress'

const { repository } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const REPOSITORY = repository.url.replace(/^git\+|\.git$/g, '')
const API = new URL('../reference/api/typedoc-sidebar.json', import.meta.url)

const page = (text, link) => ({ text, link })

/** Links that leave docs/ lead to the repository: on GitHub they work as they are, on the site they need its address. */
function leaveForRepository(md) {
  md.core.ruler.push('leave-for-repository', ({ tokens, env }) => {
    const folder = posix.dirname(env.relativePath ?? '')
    for (const token of tokens.flatMap((block) => block.children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null
      if (href === null || /^([a-z]+:|#|\/)/.test(href)) continue
      const target = posix.join('docs', folder, href)
      if (!target.startsWith('docs/')) token.attrSet('href', `${REPOSITORY}/blob/main/${target}`)
    }
  })
}

export default defineConfig({
  title: 'Atrion',
  description: 'Admission control for Node.js',
  base: process.env.DOCS_BASE ?? '/',
  lastUpdated: false,
  srcExclude: ['demo/**', 'node_modules/**'],
  markdown: { config: leaveForRepository },
  vite: { server: { fs: { strict: true } } },
  themeConfig: {
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
    nav: [
      page('Guide', '/guide/closed-loop'),
      page('Reference', '/reference/options'),
      page('Operations', '/operations/at-3-am'),
      page('Benchmarks', '/benchmarks'),
      page('Demo', '/guide/demo'),
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          page('The closed loop', '/guide/closed-loop'),
          page('Priorities', '/guide/priorities'),
          page('Providers of language models', '/guide/language-models'),
          page('Adapters', '/guide/adapters'),
          page('Profiles and leases', '/guide/profiles-and-leases'),
          page('Agents under a budget', '/guide/agents-under-a-budget'),
          page('Cluster', '/guide/cluster'),
          page('Live configuration', '/guide/live-configuration'),
          page('Bans', '/guide/bans'),
          page('PostgreSQL', '/guide/postgres'),
          page('A custom store', '/guide/a-store-of-ones-own'),
          page('Engines, edge and browser', '/guide/edge-and-browser'),
          page('Observability', '/guide/observability'),
          page('Watchdog', '/guide/watchdog'),
          page('Culprits', '/guide/culprits'),
          page('Studio', '/guide/studio'),
          page('Panels', '/guide/panels'),
          page('Tests and simulation', '/guide/tests-and-simulation'),
          page('Record and replay', '/guide/record-and-replay'),
          page('The open loop', '/guide/open-loop'),
          page('Demo', '/guide/demo'),
        ],
      },
      {
        text: 'Migrating',
        items: [
          page('From opossum', '/guide/migrating-from-opossum'),
          page('From cockatiel', '/guide/migrating-from-cockatiel'),
          page('From @fastify/under-pressure', '/guide/migrating-from-under-pressure'),
          page('From atrion 2.0', '/guide/migrating-from-2.0'),
        ],
      },
      {
        text: 'Reference',
        items: [
          page('Options', '/reference/options'),
          page('Errors', '/reference/errors'),
          page('Events, observers, logs', '/reference/events'),
          page('Metrics', '/reference/metrics'),
          page('The wire format', '/reference/wire-format'),
          page('The format of recordings', '/reference/recording-format'),
          { text: 'API', collapsed: true, items: existsSync(API) ? JSON.parse(readFileSync(API, 'utf8')) : [] },
        ],
      },
      {
        text: 'Operations',
        items: [
          page('What to do at 3 a.m.', '/operations/at-3-am'),
          page('Tuning', '/operations/tuning'),
          page('Redis faults', '/operations/redis'),
          page('Scale', '/operations/scale'),
          page('Security', '/operations/security'),
          page('The doctor', '/operations/doctor'),
          page('Where it installs', '/operations/packages'),
          page('Releasing', '/operations/release'),
        ],
      },
      { text: 'Benchmarks', link: '/benchmarks' },
    ],
  },
})
