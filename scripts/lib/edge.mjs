/** The runtimes that are not Node: each runs the packed package by its own rules, and hands back a report. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildDemo, serveDemo } from '../demo-browser.mjs'
import { watchFrames } from './frames.mjs'
import { chromiumPath } from './packages.mjs'
import { FRAMEWORKS, runPanel } from './panels.mjs'
import { ROOT } from './process.mjs'
import { measureColdStart } from './workerd.mjs'

/** The content security policy of a strict page: no eval, but wasm. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }
const CHROMIUM_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const PATIENCE_MS = 30_000
const SCREENSHOTS = join(ROOT, 'test-report', 'screenshots')
const DEMO_SCREENS = [
  [400, 800, 'light'],
  [1280, 900, 'light'],
  [1280, 900, 'dark'],
]
/** The demo's state, in the form of a runtime's report. */
const DEMO_REPORT = `({
  engine: 'wasm',
  decision: { allow: true, resistance: 12 },
  load: document.getElementById('load').value,
  overflow: document.documentElement.scrollWidth - innerWidth,
  pageFirstDecisionMs: demo.firstDecisionMs,
})`

/** Waits until an expression holds in a page, asking from outside: under its policy nothing is evaluated inside. */
const until = async (page, expression, problems) => {
  for (const startedAt = performance.now(); performance.now() - startedAt < PATIENCE_MS; ) {
    if (await page.evaluate(expression)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(problems.join('; ') || `not within ${PATIENCE_MS} ms: ${expression}`)
}

/** The runtimes over `folder`, where the package and the tools are installed and the checks lie. */
export const runtimesOf = (folder) => {
  const require = createRequire(join(folder, 'package.json'))
  const load = (name) => import(pathToFileURL(require.resolve(name)).href)
  const within = (...path) => join(folder, ...path)
  const moduleBytes = () => readFileSync(require.resolve('atrion/wasm/module'))

  const esbuild = async (options) => {
    const { build } = await load('esbuild')
    const { outputFiles } = await build({
      bundle: true,
      write: false,
      absWorkingDir: folder,
      logLevel: 'error',
      ...options,
    })
    return outputFiles[0].text
  }

  const command = (path, args) => {
    const { status, stdout, stderr, error } = spawnSync(path, args, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${path} ended with ${status}: ${error?.message ?? stderr.trim()}`)
    return JSON.parse(stdout)
  }

  /** Requests under a permit until the store holds what is known of their route. */
  const keptState = async (worker, store) => {
    for (let i = 0; i < 40; i++) {
      await (await worker.dispatchFetch('http://edge.test/kept')).text()
      const { keys } = await store.list()
      if (keys.some(({ name }) => name.startsWith('atrion:route:'))) return true
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return false
  }

  const workerd = async () => {
    const contents = await esbuild({
      entryPoints: ['worker.mjs'],
      format: 'esm',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['*.wasm'],
    })
    const { Miniflare } = await load('miniflare')
    const createWorker = () =>
      new Miniflare({
        modulesRoot: '/',
        modules: [
          { type: 'ESModule', path: '/bundle/worker.mjs', contents },
          { type: 'CompiledWasm', path: '/atrion.wasm', contents: moduleBytes() },
        ],
        compatibilityDate: '2026-01-01',
        kvNamespaces: ['STATE'],
      })
    const worker = createWorker()
    try {
      // Twice: what one request made, the next one of the same isolate must be able to use.
      await (await worker.dispatchFetch('http://edge.test/')).json()
      const report = await (await worker.dispatchFetch('http://edge.test/')).json()
      const store = await worker.getKVNamespace('STATE')
      const kept = await keptState(worker, store)
      return { ...report, kept, ...(await measureColdStart(createWorker)) }
    } finally {
      await worker.dispose()
    }
  }

  const edgeRuntime = async () => {
    const given = {
      name: 'given',
      setup(build) {
        build.onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: 'given' }))
        build.onLoad({ filter: /./, namespace: 'given' }, () => ({ contents: 'export default globalThis.ATRION_WASM' }))
      },
    }
    const initialCode = await esbuild({
      entryPoints: ['event.mjs'],
      format: 'iife',
      conditions: ['edge-light', 'worker', 'browser'],
      plugins: [given],
    })
    const { EdgeRuntime } = await load('edge-runtime')
    const compiled = new WebAssembly.Module(moduleBytes())
    const runtime = new EdgeRuntime({
      initialCode,
      extend: (context) => Object.assign(context, { ATRION_WASM: compiled }),
    })
    return (await runtime.dispatchFetch('http://edge.test/')).json()
  }

  // Without the code cache: it takes a file of the same path and length for the one that it has compiled, and a packed file has always the same time.
  const deno = () =>
    command(require.resolve('deno/deno'), [
      'run',
      '--no-prompt',
      '--no-code-cache',
      '--node-modules-dir=manual',
      'main.mjs',
    ])

  const bun = () => command(within('node_modules', 'bun', 'bin', 'bun.exe'), ['main.mjs'])

  const bundlers = {
    esbuild: async (entry, out) => {
      const { build } = await load('esbuild')
      await build({ bundle: true, absWorkingDir: folder, entryPoints: [entry], outfile: join(out, 'page.js') })
    },
    vite: async (entry, out) => {
      const { build } = await load('vite')
      await build({
        root: folder,
        configFile: false,
        logLevel: 'error',
        build: {
          outDir: out,
          emptyOutDir: true,
          rolldownOptions: { input: within(entry), output: { entryFileNames: 'page.js' } },
        },
      })
    },
    webpack: async (entry, out) => {
      const { default: webpack } = await load('webpack')
      const stats = await new Promise((resolve, reject) => {
        const options = {
          mode: 'production',
          context: folder,
          entry: `./${entry}`,
          output: { path: out, filename: 'page.js' },
        }
        webpack(options, (error, result) => (error ? reject(error) : resolve(result)))
      })
      if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }))
    },
  }

  /** Bundles a page, serves it under a strict policy, and returns what it reports in a real tab. */
  const tab = (bundler, entry) => async () => {
    const out = within('pages', `${bundler}-${entry}`)
    await bundlers[bundler](entry, out)
    const html = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>'
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url, 'http://page.test')
      const file = join(out, pathname)
      const body = pathname === '/' ? html : existsSync(file) ? readFileSync(file) : undefined
      const type = TYPES[pathname === '/' ? '.html' : extname(pathname)] ?? 'application/octet-stream'
      response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': type, 'Content-Security-Policy': POLICY })
      response.end(body)
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { chromium } = require('playwright-core')
    const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_ARGS })
    try {
      const page = await browser.newPage()
      const problems = []
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
      page.on('pageerror', (error) => problems.push(error.message))
      await page.goto(`http://127.0.0.1:${server.address().port}/`)
      await until(page, 'globalThis.report !== undefined', problems)
      const report = await page.evaluate('globalThis.report')
      // A page without an icon is no fault of the package's.
      return { ...report, problems: problems.filter((text) => !/status of 404/.test(text)) }
    } finally {
      await browser.close()
      server.close()
    }
  }

  /** The demo: frames go by, nothing is logged, sliders obey the keyboard, and it fits a phone. */
  const demo = async () => {
    await buildDemo()
    const server = await serveDemo()
    const { chromium } = require('playwright-core')
    const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_ARGS })
    mkdirSync(SCREENSHOTS, { recursive: true })
    try {
      const problems = []
      let report
      let frames
      for (const [width, height, colorScheme] of DEMO_SCREENS) {
        const page = await browser.newPage({ viewport: { width, height }, colorScheme })
        page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
        page.on('pageerror', (error) => problems.push(error.message))
        await page.goto(`http://127.0.0.1:${server.address().port}/`)
        await until(page, 'globalThis.demo?.frames > 30', problems)
        frames ??= await watchFrames(page)
        await page.locator('#load').focus()
        await page.keyboard.press('End')
        await until(page, `demo.frames > ${(await page.evaluate('demo.frames')) + 120}`, problems)
        await page.screenshot({ path: join(SCREENSHOTS, `demo-${width}-${colorScheme}.png`), fullPage: true })
        const before = report?.pageFirstDecisionMs ?? Number.POSITIVE_INFINITY
        report = await page.evaluate(DEMO_REPORT)
        // The fastest of three: a machine that does something else as well says little of the page.
        report.pageFirstDecisionMs = Math.min(report.pageFirstDecisionMs, before)
        if (report.overflow > 0) problems.push(`${report.overflow} px wider than ${width} px`)
        if (report.load !== '10') problems.push(`the End key sets the load to ${report.load}`)
        await page.close()
      }
      return { ...report, frames, problems }
    } finally {
      await browser.close()
      server.close()
    }
  }

  /** Studio: five incidents behind its page, each read from the page alone. */
  const studio = async () => {
    const { drill } = await import('./drill.mjs')
    const { chromium } = require('playwright-core')
    const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_ARGS })
    mkdirSync(SCREENSHOTS, { recursive: true })
    try {
      const screenshot = (page, name) =>
        page.screenshot({ path: join(SCREENSHOTS, `studio-${name}.png`), fullPage: true })
      return { drill: await drill(browser, { screenshot }) }
    } finally {
      await browser.close()
    }
  }

  /** Panels of Studio and hooks in a major of a framework. */
  const panel = (framework) => async () => {
    const { build } = await load('vite')
    const { chromium } = require('playwright-core')
    const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_ARGS })
    try {
      return { panel: await runPanel(framework, { folder, build, browser }) }
    } finally {
      await browser.close()
    }
  }

  return {
    workerd,
    'edge-runtime': edgeRuntime,
    deno,
    bun,
    'chromium, esbuild': tab('esbuild', 'page.mjs'),
    'chromium, vite': tab('vite', 'page.mjs'),
    'chromium, webpack': tab('webpack', 'page.mjs'),
    'chromium, vite, streamed': tab('vite', 'streamed.mjs'),
    'chromium, webpack, streamed': tab('webpack', 'streamed.mjs'),
    'chromium, demo': demo,
    'chromium, studio': studio,
    ...Object.fromEntries(FRAMEWORKS.map((framework) => [`chromium, panels, ${framework}`, panel(framework)])),
  }
}
