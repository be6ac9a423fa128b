/**
 * From what the Rust compiler links to what is shipped: a module without what no answer needs.
 *
 * A panic in Rust formats a message, and with it come number formatting, strings and tables, more than the engine itself.
 * In here it could not be read: a panic is a trap. So the functions that begin a panic are emptied, binaryen removes what
 * only they used, and data that nothing refers to any more is cleared. That needs to know where one datum ends and the
 * next begins, which the linker writes to its symbol table (`--emit-relocs`).
 */
import binaryen from 'binaryen'

/** Functions that begin a panic, by what is in their mangled names. */
const PANICS =
  /9panicking|slice_index_fail|12handle_error|16capacity_overflow|expect_failed|unwrap_failed|8rust_oom|panic_already|default_hook/

/** The features that engines of the last years have; older ones refuse the module instead of misreading it. */
const FEATURES = ['SIMD128', 'BulkMemory', 'NontrappingFPToInt', 'SignExt', 'MutableGlobals', 'BulkMemoryOpt']

const DATA_SECTION = 11
const SYMBOL_TABLE = 8

/** Reads a module's bytes in order. */
class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  byte() {
    return this.bytes[this.at++]
  }

  /** An unsigned number in LEB128. */
  number() {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  string() {
    const length = this.number()
    this.at += length
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.at - length, length).toString()
  }

  /** Calls `visit(id, end)` at the start of every section or subsection up to `until`. */
  sections(until, visit) {
    while (this.at < until) {
      const id = this.byte()
      const length = this.number()
      const end = this.at + length
      visit(id, end)
      this.at = end
    }
  }
}

/** The active segments: where their bytes are in the file, and at which address they go. */
const segmentsOf = (reader) =>
  Array.from({ length: reader.number() }, () => {
    reader.number() // flags: 0, active in memory 0
    reader.byte() // i32.const
    const address = reader.number()
    reader.byte() // end
    const length = reader.number()
    const file = reader.at
    reader.at += length
    return { address, file }
  })

/** The data symbols of a symbol table: { segment, offset, size }. */
const dataSymbolsOf = (reader) => {
  const symbols = []
  for (let left = reader.number(); left > 0; left--) {
    const kind = reader.byte()
    const flags = reader.number()
    const isDefined = (flags & 0x10) === 0
    if (kind === 1) {
      reader.string()
      if (isDefined) symbols.push({ segment: reader.number(), offset: reader.number(), size: reader.number() })
    } else {
      reader.number()
      // Sections have no name, and undefined things only one of their own.
      if (kind !== 3 && (isDefined || (flags & 0x40) !== 0)) reader.string()
    }
  }
  return symbols
}

/** Every datum with a name: { address, file, size }. */
const dataOf = (bytes) => {
  let segments = []
  let symbols = []
  const reader = new Reader(bytes, 8)
  reader.sections(bytes.length, (id, end) => {
    if (id === DATA_SECTION) segments = segmentsOf(reader)
    if (id !== 0 || reader.string() !== 'linking') return
    reader.number() // version
    reader.sections(end, (part) => {
      if (part === SYMBOL_TABLE) symbols = dataSymbolsOf(reader)
    })
  })
  if (symbols.length === 0) throw new Error('the module has no symbol table: link it with --emit-relocs')
  return symbols
    .filter(({ segment }) => segments[segment])
    .map(({ segment, offset, size }) => ({
      address: segments[segment].address + offset,
      file: segments[segment].file + offset,
      size,
    }))
}

/** The module without what only a linker reads: binaryen would move what those sections point at. */
const withoutRelocations = (bytes) => {
  const kept = [bytes.subarray(0, 8)]
  const reader = new Reader(bytes, 8)
  for (let start = 8; start < bytes.length; start = reader.at) {
    const id = reader.byte()
    const end = reader.number() + reader.at
    const isForLinker = id === 0 && /^(linking|reloc\.)/.test(reader.string())
    if (!isForLinker) kept.push(bytes.subarray(start, end))
    reader.at = end
  }
  return Buffer.concat(kept)
}

/** Exports that only a linker asks for; they would keep two globals alive. */
const LINKERS_EXPORTS = ['__heap_base', '__data_end']

/** The module, panics emptied, optimised. */
const optimise = (bytes, { shrinkLevel, keepNames }) => {
  const module = binaryen.readBinary(withoutRelocations(bytes))
  module.setFeatures(FEATURES.reduce((set, name) => set | binaryen.Features[name], 0))
  for (let i = 0; i < module.getNumFunctions(); i++) {
    const ref = module.getFunctionByIndex(i)
    const { name, base } = binaryen.getFunctionInfo(ref)
    if (!base && PANICS.test(name)) binaryen.Function.setBody(ref, module.unreachable())
  }
  binaryen.setDebugInfo(keepNames)
  binaryen.setOptimizeLevel(3)
  binaryen.setShrinkLevel(shrinkLevel)
  // The stack lies lowest, and its deep end is never reached: an address with an offset doesn't wrap around.
  binaryen.setLowMemoryUnused(true)
  if (!keepNames) module.runPasses(['strip-debug'])
  for (const name of LINKERS_EXPORTS) module.removeExport(name)
  // Values that need no local stay on the stack.
  binaryen.setGenerateStackIR(true)
  binaryen.setOptimizeStackIR(true)
  // Each round inlines and folds what the one before has made small enough; a fourth finds nothing.
  for (let round = 0; round < 3; round++) module.optimize()
  // Blocks and branches are found anew, twice: the compiler's own nest deeper than they must.
  for (let nesting = 0; nesting < 2; nesting++) {
    module.runPasses(['flatten', 'rereloop'])
    for (let round = 0; round < 2; round++) module.optimize()
  }
  module.runPasses(['reorder-functions', 'strip-producers', 'strip-target-features'])
  return module
}

/** A copy of the module in which data that the optimised code never refers to is zero; binaryen then drops it. */
const clearData = (bytes, code) => {
  const cleared = Uint8Array.from(bytes)
  const instructions = code.replace(/^ \(data .*$/gm, '')
  const addresses = [...instructions.matchAll(/(?:i32\.const |offset=)(\d+)/g)].map(([, digits]) => Number(digits))
  for (const { address, file, size } of dataOf(bytes)) {
    if (addresses.some((used) => used >= address && used < address + size)) continue
    const end = Math.min(file + size, cleared.length)
    if (file < end) cleared.fill(0, file, end)
  }
  return cleared
}

/**
 * Makes the shipped module from the linked one.
 *
 * @param shrinkLevel how much speed goes for size, 0 to 2: at 1, the module is 250 bytes smaller, gzipped, and an acquire
 *   and release 7 ns slower
 * @param keepNames keep the functions' names, for looking at what is in there
 */
export const shrink = (bytes, { shrinkLevel = 1, keepNames = false } = {}) => {
  const first = optimise(bytes, { shrinkLevel, keepNames })
  const code = first.emitText()
  first.dispose()
  const second = optimise(clearData(bytes, code), { shrinkLevel, keepNames })
  if (!second.validate()) throw new Error('the optimised module is not valid')
  const shipped = second.emitBinary()
  second.dispose()
  return shipped
}
