/** Options of the parts of a simulation: an object, of which every name is known. */

import { ownOptions } from '../base/own.js'
import { unknownName } from '../base/suggest.js'
import { requireObject } from '../options/ranges.js'

/** The options as they are to be read. @throws ConfigError for what is no object, and for a name that is none of `names` */
export function knownOptions<T extends object>(field: string, given: T, names: readonly (keyof T & string)[]): T {
  const options = ownOptions(requireObject(field, given) as T, names)
  for (const name of Object.keys(options)) {
    if (!(names as readonly string[]).includes(name)) throw unknownName(name, name, names)
  }
  return options
}
