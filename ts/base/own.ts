/**
 * Options as their caller gave them: an object's own properties and those of its class, and none that `Object.prototype` was made to
 * have. A dependency that merges what a client sent into an object may put any name there; each is then to be read of every object.
 *
 * As long as `Object.prototype` has none of the names, nothing is copied and nothing is looked at twice.
 */

/** Has what `Object.prototype` has, and nothing else. A look at its enumerable names costs next to nothing while it has none. */
export const BARE: Readonly<Record<string, unknown>> = {}

/** Returns whether `holder`, or a class of it, has the property. */
function has(holder: object, name: string): boolean {
  for (let at: object | null = holder; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) return true
  }
  return false
}

/** One property of what a caller gave; undefined where only `Object.prototype` has it. */
export const own = <T extends object, K extends keyof T & string>(given: T, name: K): T[K] | undefined =>
  name in BARE && !has(given, name) ? undefined : given[name]

/** One property of what may be anything, as a thing that was thrown: undefined where reading it throws, as a getter or a proxy may. */
export function peek(thrown: unknown, name: string): unknown {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  try {
    return own(thrown as Record<string, unknown>, name)
  } catch {
    return undefined
  }
}

/**
 * The options that a caller gave, to be read as usual: themselves or, where `Object.prototype` has one of the names, a copy that
 * inherits from nothing. Anything that is no object is returned as it is.
 *
 * @param names all that are read
 */
export const ownOptions = <T>(given: T, names: Iterable<string>): T => {
  for (const name of names) if (name in BARE) return copyOf(given, names)
  return given
}

const TELEMETRY_NAMES = ['latencyMs', 'errorRate', 'saturation']

/** {@link ownOptions} for a sample of telemetry. */
export const ownTelemetry = <T>(given: T): T =>
  BARE.latencyMs === undefined && BARE.errorRate === undefined && BARE.saturation === undefined
    ? given
    : copyOf(given, TELEMETRY_NAMES)

const ROUTE_NAMES = ['voltage', 'profile']

/** {@link ownOptions} for the options of `route()`. */
export const ownRouteOptions = <T>(given: T): T =>
  BARE.voltage === undefined && BARE.profile === undefined ? given : copyOf(given, ROUTE_NAMES)

/**
 * The options that a caller gave in a copy of their own, each read once, where they are checked now and used later: all that the object
 * has itself, and what its class, or the object that it was created from, has of `names`. Anything that is no object is returned as it is.
 *
 * @param names all that are known
 */
export function copyOf<T>(given: T, names: Iterable<string>): T {
  if (typeof given !== 'object' || given === null) return given
  const source = given as Record<string, unknown>
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(source)) copy[name] = source[name]
  for (const name of names) if (!(name in copy) && has(source, name)) copy[name] = source[name]
  return copy as T
}

/** Returns whether only `Object.prototype` has a name that was met in an object. */
export const isForeign = (given: object, name: string): boolean => name in BARE && !has(given, name)

/**
 * Gives an object a property of its own. Defined, not assigned: to assign fails where a class of the object has an accessor of that name, or
 * where a host froze the one that it inherits, as hardened ones freeze `Error.prototype`.
 */
export function define(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true })
}
