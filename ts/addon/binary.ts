/**
 * Identifies a binary by its content. A file's name may say something else, and to load what is built for another C library, or
 * is cut short, can end the process instead of throwing.
 */

import { builtin } from '../base/builtin.js'

export interface Binary {
  readonly format: 'ELF' | 'Mach-O' | 'PE' | undefined
  /** As `process.platform` and `process.arch` have them; undefined where the content does not say. */
  readonly platform?: NodeJS.Platform | undefined
  readonly archs?: readonly string[]
  readonly libc?: 'glibc' | 'musl' | undefined
  /** Bytes that its own tables say it has; more than there are when it was cut short. */
  readonly bytes?: number
}

/** Enough of a program for its tables and for the names of what it is linked with. */
const HEAD_BYTES = 4096
/** More than the name of a library has. */
const NAME_BYTES = 256

const ELF_ARCHS: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' }
const PE_ARCHS: Readonly<Record<number, string>> = { 332: 'ia32', 34404: 'x64', 43620: 'arm64' }
const MACH_ARCHS: Readonly<Record<number, string>> = { 16777223: 'x64', 16777228: 'arm64' }

const LOAD = 1
const DYNAMIC = 2
const INTERPRETER = 3
const NEEDED = 1n
const STRING_TABLE = 5n
/** The kernel that an ELF file is for, byte 7; GNU's own and none in particular are Linux's, 9 is FreeBSD's. */
const FREEBSD = 9

/** Bytes of a part that is read at a time: memory that is used again costs less than as much as the file is long. */
const PART_BYTES = 65536

/** Reads at most `size` bytes, and no more than a part, at a place in a file. */
type Read = (at: number, size: number) => Buffer

/** Calls `use` with a file opened. */
export function withFile<T>(path: string, use: (file: number, read: Read) => T): T {
  const { closeSync, openSync, readSync } = builtin('node:fs')
  const file = openSync(path, 'r')
  try {
    return use(file, (at, size) => {
      const bytes = Buffer.alloc(Math.min(size, PART_BYTES))
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, at))
    })
  } finally {
    closeSync(file)
  }
}

const PRIME = 0x9e3779b1 | 0

/** Goes on with a sum over the first words of 32 bits, little-endian. A change of a single one always changes it. */
function addWords(given: number, words: Int32Array, count: number): number {
  let sum = given
  for (let i = 0; i < count; i++) {
    sum = Math.imul(sum ^ words[i]!, PRIME)
    sum ^= sum >>> 15
  }
  return sum
}

/**
 * (module (memory (export "m") 1) (func (export "s") (param $sum i32) (param $end i32) (result i32) …)): `addWords` over the bytes of the
 * memory up to `$end`, more than 0. Compiled at once, where a loop in JavaScript runs in the interpreter for most of a binary.
 */
const SUM =
  'AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHCQIBbQIAAXMAAAowAS4BAX8DQCAAIAIoAgBzQbHz3fF5bCIAIABBD3ZzIQAgAkEEaiICIAFJDQALIAAL'

/**
 * The checksum of a file of `length` bytes, from that length on and with zeroes to the end of the last word. Not that of `ts/base/checksum.ts`,
 * whose four sums side by side are for code that is compiled, and which leaves the bytes after the last whole word out.
 */
export function checksumOf(file: number, length: number): number {
  const { readSync } = builtin('node:fs')
  let bytes = new Uint8Array(PART_BYTES)
  let add = (sum: number, size: number) => addWords(sum, new Int32Array(bytes.buffer), size >> 2)
  try {
    const { m, s } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(SUM, 'base64'))).exports
    bytes = new Uint8Array((m as WebAssembly.Memory).buffer)
    add = s as typeof add
  } catch {
    // Not in this process, or not with this much of its address space.
  }
  let sum = length | 0
  for (let at = 0; ; at += PART_BYTES) {
    let size = 0
    for (let got = 1; got > 0 && size < PART_BYTES; size += got) {
      got = readSync(file, bytes, size, PART_BYTES - size, at + size)
    }
    if (size === 0) return sum >>> 0
    const end = (size + 3) & ~3
    bytes.fill(0, size, end)
    sum = add(sum, end)
  }
}

/** Reads the tables of a binary, or as much of them as `read` finds. */
export function inspect(read: Read): Binary {
  const bytes = read(0, HEAD_BYTES)
  try {
    const magic = bytes.readUInt32BE(0)
    if (magic === 0x7f454c46) return elf(bytes, read)
    if (magic === 0xcffaedfe)
      return { format: 'Mach-O', platform: 'darwin', archs: [archOf(MACH_ARCHS, bytes.readUInt32LE(4))] }
    if (magic === 0xcafebabe) return fat(bytes)
    if (bytes.readUInt16BE(0) === 0x4d5a) return pe(bytes)
  } catch {
    // Shorter than its own tables.
    return { format: undefined, bytes: bytes.length + 1 }
  }
  return { format: undefined }
}

const archOf = (names: Readonly<Record<number, string>>, code: number): string => names[code] ?? `machine ${code}`

function pe(bytes: Buffer): Binary {
  const code = bytes.readUInt16LE(bytes.readUInt32LE(60) + 4)
  return { format: 'PE', platform: 'win32', archs: [archOf(PE_ARCHS, code)] }
}

/** Several Mach-O files in one. */
function fat(bytes: Buffer): Binary {
  const archs = Array.from({ length: Math.min(bytes.readUInt32BE(4), 8) }, (_, i) =>
    archOf(MACH_ARCHS, bytes.readUInt32BE(8 + 20 * i)),
  )
  return { format: 'Mach-O', platform: 'darwin', archs }
}

interface Segment {
  readonly type: number
  readonly at: number
  readonly size: number
  readonly address: number
}

function elf(bytes: Buffer, read: Read): Binary {
  const platform = bytes[7] === FREEBSD ? 'freebsd' : 'linux'
  const archs = [archOf(ELF_ARCHS, bytes.readUInt16LE(18))]
  // All that is built today has 64 bits, little-endian.
  if (bytes[4] !== 2 || bytes[5] !== 1)
    return { format: 'ELF', platform, archs: [`${archs[0]}, not 64-bit little-endian`] }
  const u64 = (at: number): number => Number(bytes.readBigUInt64LE(at))
  const sectionsEnd = u64(40) + bytes.readUInt16LE(58) * bytes.readUInt16LE(60)
  const segments: Segment[] = Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => {
    const at = u64(32) + i * bytes.readUInt16LE(54)
    return { type: bytes.readUInt32LE(at), at: u64(at + 8), address: u64(at + 16), size: u64(at + 32) }
  })
  const length = Math.max(sectionsEnd, ...segments.map(({ at, size }) => at + size))
  return { format: 'ELF', platform, archs, libc: libcOf(bytes, segments, read), bytes: length }
}

const textAt = (bytes: Buffer, at: number): string => bytes.toString('latin1', at, bytes.indexOf(0, at))

/** By the program interpreter of an executable, by the libraries that a shared object needs. */
function libcOf(bytes: Buffer, segments: readonly Segment[], read: Read): Binary['libc'] {
  const interpreter = segments.find(({ type }) => type === INTERPRETER)
  const names = interpreter ? [textAt(bytes, interpreter.at)] : neededBy(segments, read)
  const isAny = (name: string, parts: readonly string[], whole: string): boolean =>
    name === whole || parts.some((part) => name.includes(part))
  if (names.some((name) => isAny(name, ['ld-musl-', 'libc.musl-'], 'libc.so'))) return 'musl'
  return names.some((name) => isAny(name, ['ld-linux', 'ld64.so'], 'libc.so.6')) ? 'glibc' : undefined
}

function neededBy(segments: readonly Segment[], read: Read): string[] {
  const dynamic = segments.find(({ type }) => type === DYNAMIC)
  if (dynamic === undefined) return []
  const bytes = read(dynamic.at, dynamic.size)
  if (bytes.length < dynamic.size) return []
  const entries = Array.from({ length: dynamic.size / 16 }, (_, i) => {
    const at = 16 * i
    return { tag: bytes.readBigUInt64LE(at), value: Number(bytes.readBigUInt64LE(at + 8)) }
  })
  const table = entries.find(({ tag }) => tag === STRING_TABLE)?.value ?? 0
  const home = segments.find(({ type, address, size }) => type === LOAD && table >= address && table < address + size)
  if (home === undefined) return []
  const tableAt = table - home.address + home.at
  return entries.filter(({ tag }) => tag === NEEDED).map(({ value }) => textAt(read(tableAt + value, NAME_BYTES), 0))
}
