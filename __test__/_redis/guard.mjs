// Servers end with the test that started them, however that ends: a killed process closes its pipes too, and at the other
// end of one a shell waits that kills what is left and removes its folders.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Below the ports that outgoing connections take; a cluster's bus listens 10,000 above its server. */
const PORTS = { from: 12_000, count: 10_000 }

const WAIT_AND_CLEAN = `
cat >/dev/null
for entry in "$1"/*.pid; do
  [ -f "$entry" ] && read -r pid folder <"$entry" || continue
  [ "$pid" = none ] || kill -9 "$pid"
  rm -rf "$folder"
done
rm -rf "$1"`

let folder

/** The folder of this thread, removed when the thread ends. */
export const scratch = () => {
  if (folder !== undefined) return folder
  folder = mkdtempSync(join(tmpdir(), 'atrion-guard-'))
  const guard = spawn('sh', ['-c', WAIT_AND_CLEAN, 'guard', folder], {
    // A session of its own: what interrupts the tests must not interrupt their cleaning up.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.unref()
  guard.stdin.unref()
  return folder
}

const entryOf = (port) => join(scratch(), `${port}.pid`)

/** A port and a folder for a server's data. Making the folder reserves the port among tests that run at the same time. */
export const reserve = () => {
  for (let tries = 0; tries < 1000; tries++) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count)
    const data = join(tmpdir(), `atrion-redis-${port}`)
    try {
      mkdirSync(data)
      guard({ port, data })
      return { port, data }
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
  throw new Error(`no free port among ${PORTS.count}: are there old folders atrion-redis-* in ${tmpdir()}?`)
}

/** Makes the guard answerable for a place, and for the process that serves it when there is one. */
export const guard = ({ port, data }, pid = 'none') => writeFileSync(entryOf(port), `${pid} ${data}\n`)

/** Removes a place; its port may be reserved again. */
export const release = ({ port, data }) => {
  rmSync(entryOf(port), { force: true })
  rmSync(data, { recursive: true, force: true })
}
