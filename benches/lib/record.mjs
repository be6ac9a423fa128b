/** Results that are kept, with the machine that made them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const FOLDER = new URL('../record/', import.meta.url)

/** The machine and the versions that a result depends on. No host name: a record is public. */
export const machineOf = () => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cpus: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: platform(),
  release: release(),
  arch: arch(),
  node: process.version,
})

/** Writes benches/record/<machine>.json and returns its path. */
export const save = (run) => {
  mkdirSync(FOLDER, { recursive: true })
  const { cpu, cpus: count, platform: system, arch: chip, node } = run.machine
  const words = `${system} ${chip} ${cpu} ${count}cpu node${node.split('.')[0]}`
  const name = words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  const url = new URL(`${name}.json`, FOLDER)
  writeFileSync(url, `${JSON.stringify({ at: new Date().toISOString(), ...run }, null, 2)}\n`)
  return fileURLToPath(url)
}
