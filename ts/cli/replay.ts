/** `atrion replay`: the decisions of a recording made again, and what another configuration would have decided. */

import { ENGINES } from '../engine/engines-node.js'
import { Replay } from '../replay/replay.js'
import { sourceOf } from '../replay/blocks.js'
import { builtin } from '../base/builtin.js'

export const replay = {
  summary: 'decide a recording again, and see what other settings would have decided',
  help: '',
  async run(args: readonly string[]): Promise<number> {
    const bytes = builtin('node:fs').readFileSync(args[0]!)
    const result = new Replay((kind, maxRoutes) => ENGINES[kind]!(maxRoutes)).all(sourceOf(bytes))
    const { tally, ...rest } = result
    console.log(JSON.stringify(rest, null, 1), tally.total(), tally.keyClasses(), [...tally.routes.values()].map((r) => [r.name, r.total(), r.completed, r.failed, r.latencies.length]))
    return 0
  },
}
