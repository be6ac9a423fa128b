// `npm run demo`: the closed loop in front of a shop; with `--open-loop`, `route()` in front of a dependency that turns zombie.
import { stopAll } from '../scripts/lib/worker-pool.mjs'

const args = process.argv.slice(2)
const isOpenLoop = args.includes('--open-loop')
const { main } = await import(isOpenLoop ? './open-loop/run.mjs' : './shop/run.mjs')

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopAll()
    process.exit(130)
  })
}
await main(args.filter((arg) => arg !== '--open-loop')).catch((error) => {
  console.error(`demo: ${error.message}`)
  process.exitCode = 1
})
