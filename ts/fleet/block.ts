/** The memory of a fleet and the engine that ticks it: a block of cells and a mode a route, neither of which ever moves. */

import { BYTES, deflated } from 'fleet.wasm?deflate'
import { loadAddon } from '../addon/addon.js'
import { builtin } from '../base/builtin.js'
import { ConfigError, DependencyError } from '../base/errors.js'
import { inflate } from '../base/inflate.js'
import { reasonOf, remedyOf } from '../engine/failure.js'
import { BLOCK, COLUMN } from '../engine/fleet-cells.js'
import { namingSets } from '../engine/instruction-set.js'

/** Cells of a reading: latency, error rate, saturation. */
export const READING_CELLS = 3

export interface FleetBlock {
  readonly kind: 'native' | 'wasm'
  /** The head, the law, the columns, the readings: see {@link BLOCK}. */
  readonly cells: Float64Array
  readonly modes: Uint8Array
  /** Ticks what is in the block. */
  tick(): void
  /** Advances the routes' time, without readings. */
  sweep(): void
}

const cellsOf = (size: number): number => BLOCK.COLUMNS + (COLUMN.READINGS + READING_CELLS) * size

const DETACHED = 'a column of the fleet was transferred: it ticks no longer'

interface FleetBinding {
  /** Throws where `ATRION_SIMD` names none that the processor has. */
  instructionSet(): string
  tickFleet(cells: Float64Array, modes: Uint8Array): boolean
  sweepFleet(cells: Float64Array, modes: Uint8Array): boolean
}

function nativeBlock(size: number): FleetBlock {
  const binding = loadAddon().binding as FleetBinding
  try {
    binding.instructionSet()
  } catch (error) {
    throw namingSets(error)
  }
  const cells = new Float64Array(cellsOf(size))
  const modes = new Uint8Array(size)
  const checked = (call: 'tickFleet' | 'sweepFleet') => (): void => {
    if (modes.length !== size || !binding[call](cells, modes)) throw new TypeError(DETACHED)
  }
  return { kind: 'native', cells, modes, tick: checked('tickFleet'), sweep: checked('sweepFleet') }
}

interface FleetExports {
  readonly memory: WebAssembly.Memory
  create(size: number): void
  block(): number
  modes(): number
  tick(): void
  sweep(): void
}

let compiled: WebAssembly.Module | undefined

/** An instance of the module is one fleet; its memory is taken at once, and never grows. */
function wasmBlock(size: number): FleetBlock {
  compiled ??= new WebAssembly.Module(
    inflate(
      Uint8Array.from(atob(deflated()), (char) => char.charCodeAt(0)),
      BYTES,
    ),
  )
  const wasm = new WebAssembly.Instance(compiled).exports as unknown as FleetExports
  try {
    wasm.create(size)
  } catch {
    throw new RangeError(`there is no memory for a fleet of ${size} routes`)
  }
  const { buffer } = wasm.memory
  return {
    kind: 'wasm',
    cells: new Float64Array(buffer, wasm.block(), cellsOf(size)),
    modes: new Uint8Array(buffer, wasm.modes(), size),
    tick: () => wasm.tick(),
    sweep: () => wasm.sweep(),
  }
}

const isNode = builtin('node:module').createRequire !== undefined

/** The engines, best first. */
const BLOCKS: Readonly<Record<string, (size: number) => FleetBlock>> = {
  ...(isNode && { native: nativeBlock }),
  wasm: wasmBlock,
}

/** A block of the wanted engine, or of the best that loads. @throws ConfigError, DependencyError */
export function createBlock(size: number, wanted: unknown): FleetBlock {
  const kinds = Object.keys(BLOCKS)
  const tried = wanted === undefined || wanted === 'auto' ? kinds : [String(wanted)]
  const failures: string[] = []
  let remedy: string | undefined
  let cause: unknown
  for (const kind of tried) {
    const create = Object.hasOwn(BLOCKS, kind) ? BLOCKS[kind] : undefined
    if (create === undefined) throw new ConfigError('engine', `auto, ${kinds.join(', ')}`, wanted)
    try {
      return create(size)
    } catch (error) {
      if (error instanceof RangeError || error instanceof ConfigError) throw error
      cause ??= error
      failures.push(reasonOf(kind, error))
      remedy ??= remedyOf(kind, error)
    }
  }
  const problem = `did not load: ${failures.join('; ')}`
  throw new DependencyError(`engine '${tried.join("' or '")}'`, remedy, { cause, problem })
}
