// A thread that ends its process when one of the processes it watches has ended: the main thread may be at work for seconds.
import { workerData } from 'node:worker_threads'

const WATCH_EVERY_MS = 500
/** For a command that ends its children by itself. */
const GRACE_MS = 3000

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

const watch = setInterval(() => {
  if (workerData.every(isAlive)) return
  clearInterval(watch)
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS)
}, WATCH_EVERY_MS)
