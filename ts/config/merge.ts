/**
 * JSON merge patches (RFC 7396) over plain JSON: objects merge, null deletes, anything else replaces. Every object that comes out
 * inherits from nothing, so that a name such as `__proto__` is a name like any other.
 */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

/** A JSON object that is being built. */
export type Draft = Record<string, Json>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const emptyObject = (): Draft => Object.create(null) as Draft

/** The target with the patch in it; neither is changed. */
function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result = emptyObject()
  if (isObject(target)) for (const name of Object.keys(target)) result[name] = target[name]!
  for (const name of Object.keys(patch)) {
    const value = patch[name]!
    if (value === null) delete result[name]
    else result[name] = mergePatch(result[name], value)
  }
  return result
}

/** An object to an object. */
export const mergeObjects = (target: JsonObject | undefined, patch: JsonObject): JsonObject =>
  mergePatch(target, patch) as JsonObject

/** A copy with its members in one order, whichever patch named them first: settings that are equal have one text on all nodes. */
export function inOrder(value: Json): Json {
  if (!isObject(value)) return value
  const copy = emptyObject()
  for (const name of Object.keys(value).sort()) copy[name] = inOrder(value[name]!)
  return copy
}

/** The paths of the leaves of a patch, deletions among them; an empty object is a leaf where it is not the whole. */
export function leavesOf(patch: JsonObject): string[][] {
  const paths: string[][] = []
  const visit = (value: Json, path: string[]): void => {
    const names = isObject(value) ? Object.keys(value) : []
    if (names.length === 0) {
      if (path.length > 0) paths.push(path)
      return
    }
    for (const name of names) visit((value as JsonObject)[name]!, [...path, name])
  }
  visit(patch, [])
  return paths
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let at = value
  for (const name of path) {
    if (!isObject(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}
