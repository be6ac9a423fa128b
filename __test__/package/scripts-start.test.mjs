// The start of the project's commands: missing parts are named, no process outlives npm, and a taken port is no obstacle.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { serve } from '../../scripts/lib/serve.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const START = join(ROOT, 'scripts', 'start.mjs')
const folder = mkdtempSync(join(tmpdir(), 'atrion-start-'))
test.after.always(() => rmSync(folder, { recursive: true }))

test('every npm script is started by start.mjs, which knows it', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const source = readFileSync(START, 'utf8')
  for (const [name, command] of Object.entries(scripts)) {
    const [, script] = /^node scripts\/start\.mjs (\S+)/.exec(command) ?? []
    t.truthy(script, `${name}: ${command}`)
    t.true(source.includes(`'${script}'`), `${name}: ${script}`)
  }
})

test('an unknown script is refused by name', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [START, 'nothing.mjs'], { encoding: 'utf8' })
  t.is(status, 2)
  t.regex(stderr, /demo\/run\.mjs/)
})

if (process.platform !== 'win32') {
  test('with --no-install what is missing is listed with the command that installs it, and nothing is installed', (t) => {
    // A machine that has node and nothing else.
    const bin = mkdtempSync(join(folder, 'bin-'))
    symlinkSync(process.execPath, join(bin, 'node'))
    const { status, stdout, stderr } = spawnSync(process.execPath, [START, 'scripts/test.mjs', '--no-install'], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
      env: { PATH: bin, HOME: bin, CARGO_HOME: bin, CHROMIUM: '' },
    })
    t.is(status, 1, stderr)
    t.regex(stderr, /no cc here: a C compiler.*\n {4}(apt-get install build-essential|xcode-select --install)/)
    t.regex(stderr, /no cargo on the PATH.*\n {4}curl/)
    t.regex(stderr, /no redis-server here.*\n {4}brew install redis, or apt-get install redis-server/)
    t.notRegex(stdout + stderr, /Installing|npm ERR/)
  })

  /** Resolves once no process has the id. */
  const gone = async (pid) => {
    for (;;) {
      try {
        process.kill(pid, 0)
      } catch {
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  test('a command ends with the npm that runs it, and what it has started ends with it', async (t) => {
    t.timeout(PATIENCE_MS)
    const url = (file) => JSON.stringify(new URL(`../../scripts/lib/${file}`, import.meta.url).href)
    const command = join(folder, 'command.mjs')
    writeFileSync(
      command,
      `import { endWithParent } from ${url('lifetime.mjs')}
      import { node } from ${url('process.mjs')}
      endWithParent()
      console.log(process.pid)
      await node(${JSON.stringify(join(folder, 'child.mjs'))}, [])`,
    )
    // The child has a child of its own, and neither looks at its parent.
    const idle = 'setInterval(() => {}, 1000)'
    writeFileSync(
      join(folder, 'child.mjs'),
      `import { spawn } from 'node:child_process'
      const grandchild = spawn(process.execPath, ['-e', ${JSON.stringify(idle)}])
      console.log(process.pid + '\\n' + grandchild.pid)
      ${idle}`,
    )
    const npm = join(folder, 'npm.mjs')
    writeFileSync(
      npm,
      `import { spawn } from 'node:child_process'
      spawn('sh', ['-c', process.argv[2]], { stdio: 'inherit', env: { ...process.env, npm_lifecycle_event: 'demo' } })`,
    )
    const parent = spawn(process.execPath, [npm, `${process.execPath} ${command}; true`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pids = []
    for await (const line of createInterface({ input: parent.stdout })) {
      pids.push(Number(line))
      if (pids.length === 3) break
    }
    t.true(pids.every((pid) => pid > 0))
    parent.kill('SIGKILL')
    await Promise.all(pids.map(gone))
  })
}

test('a taken port is left alone: another one is used, and only files of the folder are served', async (t) => {
  writeFileSync(join(folder, 'page.html'), 'here')
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const server = await serve(folder, other.address().port)
  const { port } = server.address()
  t.not(port, other.address().port)
  const get = async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return [response.status, await response.text()]
  }
  t.deepEqual(await get('/page'), [200, 'here'])
  t.deepEqual(await get('/page.html'), [200, 'here'])
  for (const path of ['/none', '/%zz', '/..%2f..%2fetc%2fpasswd', '/']) t.is((await get(path))[0], 404, path)
  server.close()
  other.close()
})
