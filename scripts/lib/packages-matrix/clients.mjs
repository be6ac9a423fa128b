/** The package managers: how each installs into an app's folder, and runs a file there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOOLS } from './tools.mjs'

/** A build of Next.js takes minutes where the machine is busy. */
const PATIENCE_MS = 600_000

/** Runs a command to its end. @throws Error with what it printed when it fails */
export const must = async (command, args, { cwd, env = {} }) => {
  const clean = { ...process.env, ATRION_ENGINE: '', NODE_OPTIONS: '', CI: '1', ...env }
  const child = spawn(command, args, { cwd, env: clean, stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS })
  const printed = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8')
    child[stream].on('data', (text) => {
      printed[stream] += text
    })
  }
  const [code, signal] = await once(child, 'close')
  if (code === 0) return printed
  throw new Error(`${command} ${args.join(' ')}: ${signal ?? code} ${printed.stdout}${printed.stderr}`)
}

const inTools = (...path) => join(TOOLS, 'node_modules', ...path)
const byNode = (...entry) => [process.execPath, inTools(...entry)]

/** The package.json of every app; without `type`, so that the endings .mjs and .cjs decide. */
const appManifest = (version) => ({ name: 'app', version: '1.0.0', private: true, dependencies: { atrion: version } })

/** Lays an app out that depends on the package. */
export const createApp = (folder, version, files) => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(appManifest(version)))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}

const npmOf = (name, traits = {}) => ({
  ...traits,
  prepare: (folder, registry) =>
    writeFileSync(
      join(folder, '.npmrc'),
      `registry=${registry}\naudit=false\nfund=false\nupdate-notifier=false\ncache=${join(folder, '.npm')}\n`,
    ),
  install: (folder, { omitOptional = false, frozen = false, platform } = {}) => {
    const [node, cli] = byNode(name, 'bin', 'npm-cli.js')
    return must(
      node,
      [
        cli,
        frozen ? 'ci' : 'install',
        ...(omitOptional ? ['--omit=optional'] : []),
        ...(platform ? [`--os=${platform.os}`, `--cpu=${platform.cpu}`, '--package-lock-only'] : []),
      ],
      { cwd: folder },
    )
  },
  run: (folder, file) => must(process.execPath, [file], { cwd: folder }),
  lock: 'package-lock.json',
})

const yarnOf = (linker) => ({
  prepare: (folder, registry) => {
    writeFileSync(
      join(folder, '.yarnrc.yml'),
      [
        `nodeLinker: ${linker}`,
        `npmRegistryServer: "${registry}"`,
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        'enableGlobalCache: false',
        'enableTelemetry: false',
        'enableImmutableInstalls: false',
        'npmMinimalAgeGate: 0',
        // PnP: files of ESM too.
        'pnpEnableEsmLoader: true',
        '',
      ].join('\n'),
    )
    // Without one Yarn looks for a project further up.
    writeFileSync(join(folder, 'yarn.lock'), '')
  },
  install: (folder, { frozen = false } = {}) => {
    const [node, cli] = byNode('@yarnpkg/cli-dist', 'bin', 'yarn.js')
    return must(node, [cli, 'install', ...(frozen ? ['--immutable'] : [])], { cwd: folder })
  },
  run: (folder, file) => {
    const [node, cli] = byNode('@yarnpkg/cli-dist', 'bin', 'yarn.js')
    return must(node, [cli, 'node', file], { cwd: folder })
  },
  lock: 'yarn.lock',
  isPnp: linker === 'pnp',
  lacksOmit: true,
})

/** By name, each with what it can't do. */
export const CLIENTS = {
  'npm 10': npmOf('npm10'),
  'npm 11': npmOf('npm11', { refusesLostLocks: true }),
  pnpm: {
    prepare: (folder, registry) => {
      writeFileSync(join(folder, '.npmrc'), `registry=${registry}\nstore-dir=${join(folder, '.store')}\n`)
      // Without one pnpm looks for a workspace further up.
      writeFileSync(join(folder, 'pnpm-workspace.yaml'), 'packages: []\n')
    },
    install: (folder, { omitOptional = false, frozen = false } = {}) => {
      const [node, cli] = byNode('pnpm', 'bin', 'pnpm.cjs')
      const flags = [...(omitOptional ? ['--no-optional'] : []), frozen ? '--frozen-lockfile' : '--no-frozen-lockfile']
      return must(node, [cli, 'install', ...flags], { cwd: folder })
    },
    run: (folder, file) => must(process.execPath, [file], { cwd: folder }),
    lock: 'pnpm-lock.yaml',
  },
  'Yarn, PnP': yarnOf('pnp'),
  'Yarn, node-modules': yarnOf('node-modules'),
  bun: {
    prepare: (folder, registry) =>
      writeFileSync(
        join(folder, 'bunfig.toml'),
        `[install]\nregistry = "${registry}"\n[install.cache]\ndir = "${join(folder, '.bun')}"\n`,
      ),
    install: (folder, { omitOptional = false, frozen = false } = {}) =>
      must(
        inTools('bun', 'bin', 'bun.exe'),
        ['install', ...(omitOptional ? ['--omit=optional'] : []), ...(frozen ? ['--frozen-lockfile'] : [])],
        { cwd: folder },
      ),
    run: (folder, file) => must(process.execPath, [file], { cwd: folder }),
    lock: 'bun.lock',
  },
}

/** Takes the packages of every platform but one out of a lock file of npm's, as its versions before 11.3 wrote it on that one. */
export const losePlatforms = (folder, kept) => {
  const file = join(folder, 'package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  for (const path of Object.keys(lock.packages)) {
    if (path.includes('/@atrion/native-') && !path.endsWith(kept)) delete lock.packages[path]
  }
  writeFileSync(file, JSON.stringify(lock, null, 2))
}
