/**
 * The drill of Studio: five incidents are run for real behind its page, and the sick route and the cause are read from the page alone, as an
 * engineer would: from the text of its first finding.
 */
import { Worker } from 'node:worker_threads'
import { single } from '../../__test__/_redis/servers.mjs'
import { startShop } from '../../demo/studio/shop.mjs'

/** The most that a finding may take to appear, ms: a busy machine is slow, a page that does not find it never does. */
const PATIENCE_MS = 90_000
const LOAD = new URL('../../demo/studio/load.mjs', import.meta.url)

/** The incidents: what the first finding has to name, the route and the cause. */
const INCIDENTS = {
  overload: { route: 'GET /export', cause: /It is overload/ },
  zombie: { route: 'GET /products/:id', cause: /It is a dependency/ },
  tenant: { route: 'GET /orders', cause: /It is one tenant/ },
  block: { route: 'GET /reports', cause: /It is us: the event loop is blocked/ },
  redis: { route: 'No route is sick', cause: /Shared state is gone: RedisStateProvider/ },
}

/** Redis does not run on Windows. */
const NAMES = Object.keys(INCIDENTS).filter((name) => name !== 'redis' || process.platform !== 'win32')

const first = (page) => page.locator('#finding-list > li').first()

/** Runs one incident. @returns the texts read, and the time until they were there, ms */
const runIncident = async (browser, name, { route, cause }, screenshot) => {
  const redis = name === 'redis' ? await single() : undefined
  const shop = await startShop({ redisUrl: redis?.url })
  const load = new Worker(LOAD, { workerData: { port: shop.port } })
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  const problems = []
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  page.on('pageerror', (error) => problems.push(error.message))
  page.setDefaultTimeout(PATIENCE_MS)
  try {
    await page.goto(`http://127.0.0.1:${shop.port}/atrion`)
    await first(page).filter({ hasText: 'All is well' }).waitFor()
    const startedMs = performance.now()
    shop.become(name, true)
    load.postMessage(name)
    await redis?.stop()
    await first(page).filter({ hasText: cause }).filter({ hasText: route }).waitFor()
    const foundMs = performance.now() - startedMs
    const text = await first(page).textContent()
    await screenshot(page, name)
    return { text, foundMs, problems }
  } catch (error) {
    const shown = await first(page)
      .textContent({ timeout: 1_000 })
      .catch(() => 'nothing')
    throw new Error(`${name}: the page shows '${shown}' (${error.message.split('\n')[0]})`)
  } finally {
    await page.close()
    await load.terminate()
    await shop.close()
    await redis?.stop()
  }
}

/** Runs all of them, or some; resolves to a report of what was read. */
export const drill = async (browser, { names = NAMES, screenshot = async () => {} } = {}) => {
  const found = {}
  for (const name of names) found[name] = await runIncident(browser, name, INCIDENTS[name], screenshot)
  return found
}
