// The recipes of the guide: each is run as it stands, with the official SDK, against a mock provider with true limits.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest from 'ava'
import { MockProvider } from '../../lab/provider/server.mjs'
import { engine } from '../_engine.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const test = engine === 'ts' ? anyTest.skip : anyTest.serial
const HERE = dirname(dirname(fileURLToPath(import.meta.url)))
const PAGE = 'docs/guide/language-models.md'

const page = readFileSync(join(dirname(HERE), PAGE), 'utf8')
const RECIPE = /^### ([^\n]+)\n[\s\S]*?^```js no-run provider=(\w+)\n([\s\S]*?)^```$/gm
const recipes = [...page.matchAll(RECIPE)].map(([, name, provider, code]) => ({ name, provider, code }))

const folder = mkdtempSync(join(HERE, '.recipes-'))
anyTest.after.always(() => rmSync(folder, { recursive: true, force: true }))

const LIMITS = {
  openai: { requestsPerMinute: 600, tokensPerMinute: 100_000 },
  anthropic: { requestsPerMinute: 600, inputTokensPerMinute: 50_000, outputTokensPerMinute: 50_000 },
}

/** Runs a module to its end; what it printed. */
const run = (file, env) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], { env: { ...process.env, ...env }, timeout: PATIENCE_MS })
    const printed = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (printed[name] += data))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...printed }))
  })

anyTest('the guide has a recipe for each SDK', (t) => {
  t.deepEqual(
    recipes.map(({ name }) => name),
    ['OpenAI', 'Anthropic', 'Vercel AI SDK', 'LangChain.js'],
  )
})

for (const { name, provider, code } of recipes) {
  test(`the recipe for ${name} runs, and its usage is counted`, async (t) => {
    t.timeout(PATIENCE_MS + 10_000)
    const server = await new MockProvider({ provider, limits: LIMITS[provider], firstMs: 1, tokenMs: 0 }).listen()
    t.teardown(() => server.close())
    const file = join(folder, `${name.replaceAll(/\W/g, '-')}.mjs`)
    writeFileSync(file, code)
    const {
      code: exit,
      stdout,
      stderr,
    } = await run(file, {
      OPENAI_API_KEY: 'key',
      OPENAI_BASE_URL: `${server.url}/v1`,
      ANTHROPIC_API_KEY: 'key',
      ANTHROPIC_BASE_URL: server.url,
      AI_SDK_LOG_WARNINGS: 'false',
    })
    t.is(exit, 0, `${stdout}${stderr}`)
    const { ok, calls, outputTokens } = server.counts
    t.is(ok, calls)
    t.true(ok >= 1)
    t.is(Number(/(\d+)\s*$/.exec(stdout)[1]), outputTokens, `${stdout}${stderr}`)
  })
}
