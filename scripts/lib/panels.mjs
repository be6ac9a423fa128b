/**
 * Panels of Studio in a real browser: a page of Vite's with hooks of React or Vue, `<atrion-panel>` before a live Studio of another origin,
 * TanStack Devtools and Vue Devtools, and what a production build keeps of all that.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { Atrion } from 'atrion'
import { atrionVite } from 'atrion/devtools'
import { atrionStudio } from 'atrion/studio'

/** Two majors of each framework; of Vue 2 the last, which has the composition API. */
export const FRAMEWORKS = ['react18', 'react19', 'vue27', 'vue3']

const PATIENCE_MS = 60_000
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }
const HTML =
  '<!doctype html><title>page</title><div id="app"></div><div id="tools"></div><script type="module" src="/page.js"></script>'

/** The framework's own name for each alias. */
const aliasesOf = (framework) =>
  framework.startsWith('react')
    ? [
        { find: /^react-dom(?=\/|$)/, replacement: `${framework}-dom` },
        { find: /^react(?=\/|$)/, replacement: framework },
      ]
    : [{ find: /^vue$/, replacement: framework }]

/** A page that has the panel registered and nothing else, and the same page without. */
const REGISTERED = `import { addVueTab, definePanel, tanstackPlugin } from 'atrion/devtools'
definePanel()
addVueTab((tab) => globalThis.tabs.push(tab), { src: '/atrion' })
tanstackPlugin()
globalThis.app = 'the application'
`
const PLAIN = `globalThis.app = 'the application'\n`

const buildPage = async ({ folder, build }, entry, { out = entry, mode = 'development', plugins = [], alias = [] }) => {
  const outDir = join(folder, 'pages', out)
  const output = { entryFileNames: 'page.js', chunkFileNames: '[name].js' }
  await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    mode,
    plugins,
    resolve: { alias },
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    build: { outDir, emptyOutDir: true, rolldownOptions: { input: join(folder, entry), output } },
  })
  return outDir
}

const listen = async (handler) => {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, origin: `http://127.0.0.1:${server.address().port}` }
}

/** The bytes of the scripts of a production build with the plugin, of the page without a panel, and of a build for development. */
const bytesOf = async (tools) => {
  writeFileSync(join(tools.folder, 'panel-registered.mjs'), REGISTERED)
  writeFileSync(join(tools.folder, 'panel-plain.mjs'), PLAIN)
  const sizeOf = async (entry, mode, out) => {
    const folder = await buildPage(tools, entry, { out, mode, plugins: [atrionVite()] })
    return readdirSync(folder).reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0)
  }
  return {
    without: await sizeOf('panel-registered.mjs', 'production', 'panel-production'),
    plain: await sizeOf('panel-plain.mjs', 'production', 'panel-plain'),
    development: await sizeOf('panel-registered.mjs', 'development', 'panel-development'),
  }
}

/** The origin of no page. */
const NO_PAGE = 'http://127.0.0.1:1'

/** Runs the page in one major of a framework. @returns a report of what it shows */
export const runPanel = async (framework, tools) => {
  const entry = framework.startsWith('react') ? 'panel-react.mjs' : 'panel-vue.mjs'
  const out = await buildPage(tools, entry, { out: `panel-${framework}`, alias: aliasesOf(framework) })
  const page = await listen(({ url }, response) => {
    const { pathname } = new URL(url, 'http://page.test')
    if (pathname === '/busy') return response.writeHead(503, { 'retry-after': '30' }).end()
    const files = readdirSync(out)
    const name = pathname.slice(1)
    if (pathname !== '/' && !files.includes(name)) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': TYPES[extname(name) || '.html'] })
    return response.end(pathname === '/' ? HTML : readFileSync(join(out, name)))
  })
  const atrion = new Atrion()
  atrion.acquire('GET /panel').release('success')
  const studio = atrionStudio(atrion, { frameAncestors: [page.origin] })
  const other = atrionStudio(atrion, { path: '/closed', frameAncestors: [NO_PAGE] })
  const service = await listen((request, response) => {
    const one = request.url.startsWith('/closed') ? other : studio
    one(request, response)
  })
  const tab = await tools.browser.newPage()
  const problems = []
  // Of the one that no page may show an error is wanted, and may be written more than once.
  const isWanted = (text) => text.includes(`"frame-ancestors ${NO_PAGE}"`)
  tab.on('console', (message) => {
    if (message.type() === 'error' && !isWanted(message.text())) problems.push(message.text())
  })
  tab.on('pageerror', (error) => problems.push(error.message))
  tab.setDefaultTimeout(PATIENCE_MS)
  try {
    await tab.goto(page.origin)
    await tab.waitForFunction(() => globalThis.panel !== undefined)
    const first = await tab.locator('#admitted').textContent()
    await tab.evaluate(() => globalThis.panel.admit(3))
    await tab.locator('#admitted', { hasText: '3' }).waitFor()
    const later = await tab.locator('#admitted').textContent()
    const renders = await tab.evaluate(() => globalThis.panel.renders)
    const calls = await tab.evaluate(() => globalThis.panel.end())

    const show = (src) =>
      tab.evaluate((address) => {
        const element = document.querySelector('atrion-panel') ?? document.createElement('atrion-panel')
        element.setAttribute('src', address)
        document.body.append(element)
      }, src)
    const framed = (locator) => locator.locator('iframe').contentFrame()
    await show(`${service.origin}/atrion`)
    const inside = framed(tab.locator('body > atrion-panel'))
    await inside.locator('#link[data-state=live]').waitFor()
    await inside.locator('#table', { hasText: 'GET /panel' }).waitFor()
    const shown = await inside.locator('#table').textContent()

    const tanstack = framed(tab.locator('[data-testid=tanstack_devtools] atrion-panel'))
    await tab.evaluate((src) => globalThis.panel.tools(src), `${service.origin}/atrion`)
    await tanstack.locator('#link[data-state=live]').waitFor()
    const vueTab = await tab.evaluate((src) => globalThis.panel.vueTab(src), `${service.origin}/atrion`)

    const guarded = await tab.evaluate(() => globalThis.panel.guard())

    const refusal = tab.waitForEvent('console', (message) => isWanted(message.text()))
    await show(`${service.origin}/closed`)
    const refused = (await refusal).type() === 'error'
    const bytes = await bytesOf(tools)
    const { version } = await tab.evaluate(() => globalThis.panel)
    const major = framework.replace(/^\D+/, '').replace('27', '2.7')
    const report = {
      version,
      major,
      first,
      later,
      renders,
      calls,
      shown,
      refused,
      tanstack: true,
      vueTab,
      guarded,
      bytes,
      problems,
    }
    return { ...report, problems: problems.filter((text) => !/status of (?:404|503)/.test(text)) }
  } finally {
    await tab.close()
    studio.close()
    other.close()
    for (const { server } of [page, service]) {
      server.closeAllConnections()
      server.close()
    }
  }
}
