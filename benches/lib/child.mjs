/**
 * One contestant in a process of its own, so that no inline cache and no garbage of another's is measured with it. Does nothing until it
 * is asked for a turn.
 */
import { serve } from '../../scripts/lib/duties.mjs'
import { createBlocks } from './measure.mjs'

let measure

serve({
  /** Makes the contestant, and warms it up. */
  prepare: async ({ file, id }) => {
    const { contestants } = await import(new URL(`../contestants/${file}.mjs`, import.meta.url))
    const contestant = contestants.find((one) => one.id === id)
    const prepared = await contestant.prepare()
    measure = contestant.kind === 'own' ? prepared.turn : await createBlocks(contestant, prepared)
  },
  /** One measurement. */
  turn: ({ blockMs }) => measure(blockMs),
})
