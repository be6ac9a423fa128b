// Finds the route that a request counted for.
import { ask, close, until, watched } from './_adapters.mjs'

export const idle = (atrion) => until(() => atrion.getRoutes().every((id) => atrion.stats(id).inFlight === 0))

/** Asks for each path of `expected` and compares the route that it counts for alone: `{ [path]: route }`. */
export const compare = async (t, start, expected) => {
  for (const [path, route] of Object.entries(expected)) {
    const { atrion, outcomes } = watched()
    const server = await start(atrion)
    const { status, body } = await ask(server, path)
    await idle(atrion)
    t.deepEqual(
      outcomes.filter((outcome) => !outcome.endsWith('ignored')).map((outcome) => outcome.replace(/ \w+$/, '')),
      [route],
      `${path} → ${status} ${body}; routes ${atrion.getRoutes()}`,
    )
    await close(server)
  }
}

/** Asks for all paths of one application: the routes there are afterwards. */
export const routesAfter = async (start, paths) => {
  const { atrion } = watched()
  const server = await start(atrion)
  for (const path of paths) await ask(server, path)
  await idle(atrion)
  await close(server)
  return atrion.getRoutes().sort()
}
