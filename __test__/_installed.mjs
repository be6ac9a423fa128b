// The package as it is installed: a folder with node_modules, the main package in it, and the platform's if wanted.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binaries, stageMain, stagePlatform } from '../scripts/lib/release.mjs'

/** The binary that was built here, with its platform. */
export const own = binaries().find(({ binary, platform }) => {
  const { os, cpu } = platform
  return binary !== undefined && os === process.platform && cpu === process.arch
})

/** An app with the package installed; `platform: false` leaves the platform's package out. */
export const install = (t, { platform = true } = {}) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'atrion-installed-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const modules = join(folder, 'node_modules')
  const main = join(modules, 'atrion')
  stageMain(main)
  const native = join(modules, '@atrion', `native-${own?.platform.name}`)
  if (platform) stagePlatform(own.platform, own.binary, native)
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const [binary, redisBinary] = [own?.platform.binary ?? '', own?.platform.redisBinary ?? '']
  return { folder, modules, main, native, binary: join(native, binary), redisBinary: join(native, redisBinary) }
}

/** Changes the JSON in a file. */
export const change = (file, edit) => {
  const value = JSON.parse(readFileSync(file, 'utf8'))
  edit(value)
  writeFileSync(file, JSON.stringify(value))
}

/** Runs a script in the app; what it printed, how it ended, what the process was warned of. */
export const run = (folder, script, { flags = [], env = {} } = {}) => {
  const clean = { ...process.env, ATRION_ENGINE: '', ATRION_USE_WASM: '', NODE_OPTIONS: '', ...env }
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', script], {
    cwd: folder,
    env: clean,
    encoding: 'utf8',
  })
  return {
    status,
    signal,
    printed: stdout.trim(),
    stderr,
    warnings: stderr.split('\n').filter((line) => line.includes('AtrionWarning')),
  }
}

export { cpSync, join, mkdirSync, readdirSync, readFileSync, writeFileSync }
