// What the demos' command lines have in common.

/** Reads numbers of a command line; undefined where none was given. @throws RangeError naming option, range and value */
export const numberOf = (values) => (name, low, high) => {
  if (values[name] === undefined) return undefined
  const value = Number(values[name])
  if (value >= low && value <= high) return value
  throw new RangeError(`--${name} must be a number in [${low}, ${high}], got ${values[name]}`)
}
