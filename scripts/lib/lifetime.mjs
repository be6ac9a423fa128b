/** Bounds the life of a script: it ends with the npm that runs it, and its children end with it. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/** The command and the parent of a process, as Linux keeps them or `ps` prints them; undefined where neither is to be had. */
const describe = (pid) => {
  try {
    const [, command, parent] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return { parent: Number(parent), command }
  } catch {
    const { status, stdout } = spawnSync('ps', ['-o', 'ppid=,comm=', '-p', String(pid)], { encoding: 'utf8' })
    const [, parent, command] = (status === 0 && /^\s*(\d+)\s+(.*\S)/.exec(stdout)) || []
    return parent === undefined ? undefined : { parent: Number(parent), command }
  }
}

/** The process that started this one, and npm where a shell stands between. */
const parents = () => {
  const shell = describe(process.ppid)
  const isShell = shell !== undefined && /(^|\/)(ba|da|z|k)?sh$/.test(shell.command)
  return isShell ? [process.ppid, shell.parent] : [process.ppid]
}

/**
 * Ends this process when a signal asks for it and nothing else listens to that signal, and, where npm runs it, when npm has ended, however
 * that came. `exit` listeners are called, so that children are ended with it.
 */
export const endWithParent = () => {
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.once(signal, () => process.listenerCount(signal) === 0 && process.exit(128 + number))
  }
  if (process.env.npm_lifecycle_event === undefined) return
  new Worker(new URL('./watch-parent.mjs', import.meta.url), { workerData: parents() }).unref()
}
