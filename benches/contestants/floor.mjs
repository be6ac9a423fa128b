/** The cost of doing nothing: the units that the rest is measured in. */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const contestants = [
  {
    id: 'unit',
    title: 'addon: #[napi] without arguments',
    prepare: () => {
      const { noop } = require('../../binding.js')
      return {
        run: (n) => {
          for (let i = 0; i < n; i++) noop()
        },
      }
    },
  },
  {
    id: 'crossing',
    title: 'addon: the bare crossing of the hot path',
    prepare: () => {
      const { NativeEngine } = require('../../binding.js')
      const { nothing } = new NativeEngine(16, new Float64Array(1408), new Float64Array(64)).hot()
      return {
        run: (n) => {
          for (let i = 0; i < n; i++) nothing()
        },
      }
    },
  },
  {
    id: 'await',
    title: 'await of an async no-op',
    prepare: () => {
      const work = async () => {}
      return {
        run: async (n) => {
          for (let i = 0; i < n; i++) await work()
        },
      }
    },
  },
]
