/** Child processes: the repository's own tools, started without a shell wherever the platform allows it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const WINDOWS = process.platform === 'win32'

/** Process groups of commands that run: each ends with this process, and all that it has started with it. */
const groups = new Set()
process.once('exit', () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGTERM')
    } catch {} // it has ended
  }
})

/** The entry point, in JavaScript, of a command that an installed package brings. Throws when it is not installed. */
export const entryOf = (pkg, command) => {
  const manifest = join(ROOT, 'node_modules', pkg, 'package.json')
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[command])
}

/** The time that the output of a command may stay open after its end, ms. */
const LEFT_BEHIND_MS = 10_000

/**
 * Runs a command in the repository's root and resolves to `{ code, output }`; a command that cannot be started has code
 * 127, one that a signal ended has code 1. With `onLine` every line of stdout and stderr goes there and nowhere else; with
 * `quiet` they are only kept; otherwise the command writes to this process's own stdout and stderr. With `silentMs` and either of the two, a command
 * that prints nothing for so long is ended, with all that it has started, and has code 124. Processes that a command leaves behind with its output
 * are ended soon after it.
 */
export const run = (command, args, { env = {}, onLine, quiet = false, shell = false, silentMs } = {}) =>
  new Promise((resolve) => {
    const piped = quiet || onLine !== undefined
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      shell,
      // A group of its own, so that what a command has started can be ended too. Windows has no such groups.
      detached: !WINDOWS,
      stdio: ['ignore', piped ? 'pipe' : 'inherit', piped ? 'pipe' : 'inherit'],
    })
    if (child.pid !== undefined && !WINDOWS) groups.add(child.pid)
    const lines = []
    let ending
    const end = () => {
      const line = `${command} printed nothing for ${silentMs / 1000} s and was ended.`
      lines.push(line)
      onLine?.(line)
      ending = 124
      endGroup()
    }
    let leftBehind
    const endGroup = () => {
      try {
        process.kill(WINDOWS ? child.pid : -child.pid, 'SIGKILL')
      } catch {} // it has ended, and what still holds its output is in no group of it
      for (const { input, reader } of readers) {
        reader.close()
        input.destroy()
      }
    }
    const silence = piped && silentMs !== undefined ? setTimeout(end, silentMs) : undefined
    const readers = (piped ? [child.stdout, child.stderr] : []).map((input) => {
      const reader = createInterface({ input })
      reader.on('line', (line) => {
        silence?.refresh()
        lines.push(line)
        onLine?.(line)
      })
      return { input, reader, closed: once(reader, 'close') }
    })
    child.once('error', (error) => {
      clearTimeout(silence)
      lines.push(error.message)
      resolve({ code: 127, output: lines.join('\n') })
    })
    child.once('exit', (code) => {
      groups.delete(child.pid)
      ending ??= code ?? 1
      // A process that it has left behind may hold its output open for ever.
      if (piped) leftBehind = setTimeout(endGroup, LEFT_BEHIND_MS)
    })
    child.once('close', () => {
      clearTimeout(silence)
      clearTimeout(leftBehind)
      Promise.all(readers.map(({ closed }) => closed)).then(() =>
        resolve({ code: ending ?? 1, output: lines.join('\n') }),
      )
    })
  })

/** Runs a script with a Node of one's choice, this one by default. */
export const node = (script, args, { nodePath = process.execPath, ...options } = {}) =>
  run(nodePath, [script, ...args], options)

/** Runs npm. On Windows it is a batch file, which only a shell starts. */
export const npm = (args, options = {}) => run('npm', args, { ...options, shell: WINDOWS })

/** The first line a command prints, or undefined when it cannot be started. */
export const firstLine = async (command, args) => {
  const { code, output } = await run(command, args, { quiet: true })
  return code === 0 ? output.split('\n')[0] : undefined
}
