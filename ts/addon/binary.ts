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

/** The first bytes of a file. */
export function headOf(path: string): Buffer {
  const { closeSync, openSync, readSync } = builtin('node:fs')
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(HEAD_BYTES)
    return head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0))
  } finally {
    closeSync(file)
  }
}

/** Reads the tables of a binary, or as much of them as `bytes` has. */
export function inspect(bytes: Buffer): Binary {
  try {
    const magic = bytes.readUInt32BE(0)
    if (magic === 0x7f454c46) return elf(bytes)
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

function elf(bytes: Buffer): Binary {
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
  return { format: 'ELF', platform, archs, libc: libcOf(bytes, segments), bytes: length }
}

const textAt = (bytes: Buffer, at: number): string => bytes.toString('latin1', at, bytes.indexOf(0, at))

/** By the program interpreter of an executable, by the libraries that a shared object needs. */
function libcOf(bytes: Buffer, segments: readonly Segment[]): Binary['libc'] {
  const interpreter = segments.find(({ type }) => type === INTERPRETER)
  const names = interpreter ? [textAt(bytes, interpreter.at)] : neededBy(bytes, segments)
  const isAny = (name: string, parts: readonly string[], whole: string): boolean =>
    name === whole || parts.some((part) => name.includes(part))
  if (names.some((name) => isAny(name, ['ld-musl-', 'libc.musl-'], 'libc.so'))) return 'musl'
  return names.some((name) => isAny(name, ['ld-linux', 'ld64.so'], 'libc.so.6')) ? 'glibc' : undefined
}

function neededBy(bytes: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === DYNAMIC)
  if (dynamic === undefined || dynamic.at + dynamic.size > bytes.length) return []
  const entries = Array.from({ length: dynamic.size / 16 }, (_, i) => {
    const at = dynamic.at + 16 * i
    return { tag: bytes.readBigUInt64LE(at), value: Number(bytes.readBigUInt64LE(at + 8)) }
  })
  const table = entries.find(({ tag }) => tag === STRING_TABLE)?.value ?? 0
  const home = segments.find(({ type, address, size }) => type === LOAD && table >= address && table < address + size)
  if (home === undefined) return []
  const tableAt = table - home.address + home.at
  return entries.filter(({ tag }) => tag === NEEDED).map(({ value }) => textAt(bytes, tableAt + value))
}
