/**
 * One contestant in a process of its own, so that no inline cache and no garbage of another's is measured with it. Does
 * nothing until it is asked: `{ turn: blockMs }` is answered with one measurement.
 */
import { createBlocks } from './measure.mjs'

const [file, id] = process.argv.slice(2)
const { contestants } = await import(new URL(`../contestants/${file}.mjs`, import.meta.url))
const contestant = contestants.find((one) => one.id === id)

try {
  const prepared = await contestant.prepare()
  const turn = contestant.kind === 'own' ? prepared.turn : await createBlocks(contestant, prepared)
  process.on('message', async ({ turn: blockMs }) => {
    try {
      process.send({ result: await turn(blockMs) })
    } catch (error) {
      process.send({ failure: String(error?.stack ?? error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
  process.send({ ready: true })
} catch (error) {
  process.send({ failure: String(error?.stack ?? error) }, () => process.exit(1))
}
