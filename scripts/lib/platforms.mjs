/** The platforms that a binary is published for: one package each, as `napi.targets` in package.json lists them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './process.mjs'

/** The package's manifest, as it is in the repository. */
export const manifest = () => JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const CPUS = { x86_64: 'x64', aarch64: 'arm64' }
const SYSTEMS = { linux: 'linux', darwin: 'darwin', windows: 'win32', freebsd: 'freebsd' }
const LIBCS = { gnu: 'glibc', musl: 'musl' }
/** The usual name of the system. */
const TITLES = { linux: 'Linux', darwin: 'macOS', win32: 'Windows', freebsd: 'FreeBSD' }

/** `x86_64-unknown-linux-gnu` as npm names it: what it is called, and where it may be installed. */
const platformOf = (target) => {
  const [machine, , system = target.split('-')[2], abi] = target.split('-')
  const os = SYSTEMS[system]
  const cpu = CPUS[machine]
  const isLinux = os === 'linux'
  const suffix = isLinux || os === 'win32' ? `-${abi}` : ''
  const name = `${os}-${cpu}${suffix}`
  return {
    target,
    name,
    os,
    cpu,
    ...(isLinux && { libc: LIBCS[abi] }),
    title: `${TITLES[os]} ${cpu}${isLinux ? `, ${LIBCS[abi]}` : ''}`,
    /** The addon of the engine, and that of the client of Redis beside it. */
    binary: `atrion.${name}.node`,
    redisBinary: `atrion-redis.${name}.node`,
  }
}

export const platforms = () => manifest().napi.targets.map(platformOf)

export const packageOf = ({ name }) => `${manifest().napi.packageName}-${name}`

/** The package.json of a platform's package; the CRC-32 of its binaries is added when it is packed. */
export const platformManifest = (platform) => {
  const { version, license, repository, engines } = manifest()
  return {
    name: packageOf(platform),
    version,
    description: `The native engine of atrion for ${platform.title}.`,
    license,
    repository: { ...repository, directory: `npm/${platform.name}` },
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc && { libc: [platform.libc] }),
    engines,
    main: platform.binary,
    files: [platform.binary, platform.redisBinary],
    // A binary can't be loaded from inside an archive.
    preferUnplugged: true,
    publishConfig: { access: 'public' },
  }
}
