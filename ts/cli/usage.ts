/** Options of a command. */

/** A command was called wrongly: its message says how, its help is shown with it. */
export class UsageError extends Error {}

/** The value of an option: none, or a value that this parses. @throws UsageError */
export type Options<T> = { readonly [K in keyof T]: true | ((value: string) => T[K]) }

/** `--name value`, `--name=value` and `--flag`. @throws UsageError for anything else */
export function parse<T extends object>(args: readonly string[], options: Options<T>): Partial<T> {
  const found: Partial<T> = {}
  for (let i = 0; i < args.length; i++) {
    const [name = '', ...rest] = args[i]!.split('=')
    const key = name.startsWith('--') ? (name.slice(2) as keyof T & string) : undefined
    if (key === undefined || !Object.hasOwn(options, key)) throw new UsageError(`unknown option '${args[i]}'`)
    const read = options[key]
    if (read === true) {
      if (rest.length > 0) throw new UsageError(`--${key} takes no value`)
      Object.assign(found, { [key]: true })
      continue
    }
    const value = rest.length > 0 ? rest.join('=') : args[++i]
    if (value === undefined || value === '') throw new UsageError(`--${key} needs a value`)
    Object.assign(found, { [key]: (read as (value: string) => unknown)(value) })
  }
  return found
}
