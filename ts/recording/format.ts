/**
 * The format of recordings, version 3: `docs/reference/recording-format.md` states it. A file is a head and blocks. A block is whole or
 * absent: it has its length and a checksum, so that a process that dies, or a disk that is full, costs the last one at most.
 */

/*
 * Enums, and not objects: the bundler writes their numbers where they are used, which the hot path of a recording is measured by.
 */

/** The head of a file: a name that no text file begins with, and the version of the format. */
export const HEAD = { NAME: 'ATRION-REC\r\n', VERSION_AT: 12, LENGTH: 16 } as const
export const FORMAT_VERSION = 3
/** The oldest version that is read. */
export const OLDEST_VERSION = 1

/** The head of a block, bytes; whole numbers of 32 bits, little-endian, but for the time, which is a double. */
export enum BLOCK {
  /** "ATRB" */
  MAGIC = 0x42525441,
  MAGIC_AT = 0,
  /** bytes that follow the checksum, a multiple of 4 */
  LENGTH_AT = 4,
  /** of all that follows it */
  CHECKSUM_AT = 8,
  /** counts the blocks, those that were dropped among them */
  SEQUENCE_AT = 12,
  /** the time that its first entry counts from, ms */
  BASE_AT = 16,
  DECISIONS_AT = 24,
  /** decisions that were lost between the block before and this one */
  DROPPED_AT = 28,
  LENGTH = 32,
  /** the longest block, its head included */
  MAX_BYTES = 65_536,
}

/** The largest entry, bytes: a piece of a batch. */
export const LARGEST_ENTRY = 16_384

/** Entries that are not of the hot path, by their first byte; each has a time first, unless it says otherwise. */
export enum ENTRY {
  /** fills a block up; nothing follows, and no time */
  PAD = 0,
  /** length, JSON: how it was recorded; no time */
  ABOUT = 1,
  /** slot, bytes of the name, length, name: the route that takes the slot now; no time */
  NAME = 2,
  /** slot: the route was asked for, and made if new */
  INTERN = 3,
  /** slot */
  REMOVE = 4,
  /** number, cells as doubles */
  LAW = 5,
  /** slot, number */
  SET_LAW = 6,
  /** slot, doubles of the state block: the state is overwritten */
  STATE = 7,
  /** slot, 6 doubles */
  SHARE = 8,
  /** slot, taken, 3 doubles */
  INHERIT = 9,
  /** slot, double: Ω */
  SCAR = 10,
  /** slot, taken */
  LEASE = 11,
  /** slot, order */
  ORDER = 12,
  /** 0 or 1 */
  DRY_RUN = 13,
  /** other nodes' reports changed routes: they are not in the recording */
  PEERS = 14,
  /** rows, then of each: slot, three numbers, mode, status, and the digest of R */
  BATCH = 15,
  /** the engine failed in a call */
  FAULT = 16,
  /** slot, limiter (0 or 1), doubles of the state block: what was known of a route that was there before */
  KNOWN = 17,
  /** slot, length, JSON: what was set for a route; no time */
  PROFILE = 18,
  /** length, JSON: what governs every route that was not given its own; no time */
  BASE = 19,
  /**
   * number, of each but the oldest beyond {@link SIZE.STALLS} two doubles: the event loop was blocked from one time to the other, ms, and the
   * engine learns of it; from version 2 on
   */
  STALL = 20,
  /** double: so much of the age of the permit that comes back next does not count, ms; from version 2 on */
  EXCUSED = 21,
  /** word: the next of the routes that were used were asked for so many times; from version 2 on */
  USED = 22,
  /** bytes in all, bytes before, length, bytes: a piece of an image of the engine as it is now; from version 2 on */
  IMAGE = 23,
}

/** Bits of the first byte of an entry of the hot path; TIER and OUTCOME are units of a number of three bits. */
export enum ACQUIRE {
  OP = 0x80,
  TIER = 16,
  KEY = 8,
  EXTRAS = 4,
  SAME_SLOT = 2,
  FULL_TIME = 1,
  /** the number of tiers, and what stands for one where a voltage decides */
  TIERS = 5,
  BY_VOLTAGE = 7,
}
export enum RELEASE {
  OP = 0x40,
  OUTCOME = 8,
  OUTCOMES = 7,
  FULL_TIME = 4,
  TICKED = 2,
  FULL_PERMIT = 1,
}
export enum ROUTE {
  OP = 0x20,
  FULL_TIME = 16,
  SAME_SLOT = 8,
  SAME_VOLTAGE = 4,
  LAW = 2,
}

/** Bits of a result; MODE is the unit of a number of two bits. */
export enum RESULT {
  ALLOW = 1,
  TICKED = 2,
  STALE = 4,
  WAIT = 8,
  MODE = 16,
  CAUSE = 64,
  NO_PLACE = 128,
}
export enum ROUTE_RESULT {
  ALLOW = 1,
  TICKED = 2,
  REJECTED = 4,
  FIRST = 8,
  STALE = 16,
  MODE = 32,
  CAUSE = 128,
}

/** Bits of the extras of a request: each is followed by its value. */
export enum EXTRA {
  QUEUE_AGE = 1,
  PROCESS = 2,
  WAITED = 4,
  WEIGHT = 8,
  CLASS = 16,
  CLASS_IS_KEY = 32,
  GIVEN_UP = 64,
  /** from version 3 on */
  LANE = 128,
}

/** The first byte of a number, and what follows it. */
export enum NUMBER {
  ZERO = 0,
  MINUS_ONE = 1,
  INFINITY = 2,
  /** of the queue's age and the process's saturation: as in the request before in this block that had one; from version 2 on */
  SAME = 3,
  INTEGER = 4,
  SIXTY_FOURTHS = 5,
  FLOAT = 6,
  DOUBLE = 7,
}

export enum SIZE {
  /** Steps of time in a ms: the grid that a double has for the ms since 1970, from 2004 to 2039. */
  STEPS_PER_MS = 4096,
  /** A permit is a place, one of so many, and a generation. */
  PLACES = 67_108_864,
  /** The lowest number that is not a permit. */
  MOST_PERMIT = 4_503_599_627_370_496,
  /** Stalls in one entry: a block keeps room for so many. */
  STALLS = 16,
  /** Words of a cell: the digest reads doubles as they are. */
  WORDS = 2,
}

/** A digest of three doubles, as pairs of words: R, V, and Retry-After. */
export function digestOf(words: Int32Array, resistance: number, voltage: number, retryAfter: number): number {
  let h = Math.imul(words[resistance]! ^ Math.imul(words[resistance + 1]!, 0x85ebca6b), 0x9e3779b1)
  h ^= h >>> 15
  h = Math.imul(h ^ words[voltage]! ^ Math.imul(words[voltage + 1]!, 0xc2b2ae35), 0x85ebca77)
  h ^= h >>> 13
  h = Math.imul(h ^ words[retryAfter]! ^ Math.imul(words[retryAfter + 1]!, 0x27d4eb2f), 0x165667b1)
  return (h ^ (h >>> 16)) | 0
}

/** The words of a frame's cells, as signed numbers, which the hot path has no need to convert. Node runs on little-endian machines alone. */
export const wordsOf = (cells: Float64Array): Int32Array =>
  new Int32Array(cells.buffer, cells.byteOffset, cells.length * SIZE.WORDS)

/** JSON with the numbers that JSON has no name for. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'number' && !Number.isFinite(one) ? `#${one}` : one))
export const fromJson = (text: string): unknown =>
  JSON.parse(text, (_, one: unknown) => (one === '#Infinity' ? Number.POSITIVE_INFINITY : one))
