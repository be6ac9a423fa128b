/**
 * Checks of the panel's options. A page that shows a panel pays for every byte of it, so the error is made here, with the fields by which
 * `isConfigError` knows one, and not with the classes and the texts of the package.
 */

/** The error for an option out of its range: `code` 'ATRION_CONFIG', `field` and `value` as of a ConfigError. */
export function optionError(field: string, range: string, value: unknown): TypeError {
  const got =
    typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value === null ? null : typeof value)
  const error = new TypeError(`${field}: expected ${range}, got ${got}`)
  // Defined: where a host froze `TypeError.prototype`, its `name` can't be assigned to.
  Object.defineProperty(error, 'name', { value: 'ConfigError', configurable: true, enumerable: true, writable: true })
  return Object.assign(error, { code: 'ATRION_CONFIG', field, value })
}

/** An option of an object, which `Object.prototype` has not. @throws the error above for what is no object */
export function optionOf<T extends object, K extends keyof T & string>(options: T, name: K): T[K] | undefined {
  if (typeof options !== 'object' || options === null) throw optionError('options', 'an object', options)
  return name in Object.prototype && !Object.hasOwn(options, name) ? undefined : options[name]
}

/** @throws the error above for a name that is not one of `names` */
export function checkNames(options: object, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw optionError('options', 'an object', options)
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw optionError(name, `one of ${names.join(', ')}`, name)
  }
}
