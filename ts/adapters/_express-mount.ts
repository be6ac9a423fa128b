/** The one name of an Express mount, whatever text of a URL it matches. */

/** The fields that are read of a layer of Express 4 and 5. */
export interface Layer {
  readonly route?: ExpressRoute | undefined
  handle?: Handle
  /** Of a route's layers: the method it is for, in lower case; undefined for all. */
  readonly method?: string | undefined
  /** Express 5: it is for all paths. */
  readonly slash?: boolean
  /** Express 5.3: the path as it was written. */
  readonly rawPath?: unknown
  /** Express 4: what the path was compiled to, and its parameters. */
  readonly regexp?: RegExp & { readonly fast_slash?: boolean; readonly fast_star?: boolean }
  readonly keys?: readonly { readonly name: string | number; readonly optional?: boolean }[]
  /** Sets `path` and `params`, or, from Express 5.3 on, returns them; may throw for what does not decode. */
  match(path: string): boolean | Match | undefined
  readonly path?: string | undefined
  readonly params?: Params | undefined
}

/** A handler, a router or an application. */
export interface Handle extends Partial<ExpressApp> {
  (...args: never[]): unknown
  readonly stack?: readonly Layer[]
}

export interface ExpressApp {
  /** Express 4 */
  readonly _router?: { readonly stack?: readonly Layer[] }
  /** Express 5; Express 4 throws when it is read */
  readonly router?: { readonly stack?: readonly Layer[] }
  readonly parent?: unknown
  path?(): string
}

/** The layers of an application; undefined where it has none, or does not tell. */
export function stackOf(app: ExpressApp | undefined): readonly Layer[] | undefined {
  try {
    return (app?._router ?? app?.router)?.stack
  } catch {
    return undefined
  }
}

/** The name of the function that calls an application mounted in another: it does not tell which one it is. */
const MOUNTED_APP = 'mounted_app'

export const isMountedApp = ({ handle }: Layer): boolean => handle?.name === MOUNTED_APP

/** Applications behind such layers, seen when a request came to them. */
const apps = new WeakMap<Layer, ExpressApp>()

export const appOf = (layer: Layer): ExpressApp | undefined => apps.get(layer)

export const foundApp = (layer: Layer, app: ExpressApp): void => {
  apps.set(layer, app)
}

/** The layers within a layer: of a router, or of an application as far as it is known. */
export function layersIn(layer: Layer): readonly Layer[] | undefined {
  const { handle } = layer
  return handle?.stack ?? stackOf(apps.get(layer)) ?? (typeof handle?.path === 'function' ? stackOf(handle) : undefined)
}

type Params = Readonly<Record<string, unknown>>

export interface Match {
  readonly path?: string | undefined
  readonly params?: Params | undefined
}

export interface ExpressRoute {
  readonly path: unknown
  readonly stack?: readonly Layer[]
  _handles_method?(method: string): boolean
  _handlesMethod?(method: string): boolean
}

/** A path, a list of them or a regular expression, as it was written. */
export function written(path: unknown): string {
  return Array.isArray(path) ? path.flat(Number.POSITIVE_INFINITY).map(String).join('|') : String(path)
}

/** The end of an expression that Express 4 compiles from a string; a regular expression of the application's own ends as it likes. */
const COMPILED_END = /\\\/\?(?:\(\?=\\\/\|\$\)|\$)$/

/** The end of the group that opens at `start`: just after its bracket. */
function groupEnd(source: string, start: number): number {
  let depth = 0
  let isClass = false
  for (let i = start; i < source.length; i++) {
    const char = source[i]
    if (char === '\\') i++
    else if (isClass) isClass = char !== ']'
    else if (char === '[') isClass = true
    else if (char === '(') depth++
    else if (char === ')' && --depth === 0) return i + 1
  }
  return source.length
}

/** A compiled path as it was written: what captures is a parameter, what only groups is optional or nothing. */
function rewritten(source: string, nextName: () => string): string {
  let path = ''
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!
    if (char === '\\') path += source[++i] ?? ''
    else if (char !== '(') path += char
    else {
      const end = groupEnd(source, i)
      if (source.startsWith('(?:', i)) path += rewritten(source.slice(i + 3, end - 1), nextName)
      else if (!source.startsWith('(?', i)) path += nextName()
      i = end - 1
    }
  }
  return path
}

/** The source of a compiled path of Express 4; the expression itself where it was one. */
function decompiled({ regexp, keys = [] }: Layer): string {
  if (regexp === undefined || regexp.fast_slash === true) return ''
  if (regexp.fast_star === true) return '*'
  // A list of paths is compiled to one expression of several.
  const parts = regexp.source.split(/(?<=\(\?=\\\/\|\$\))\|(?=\^)/)
  if (!parts.every((part) => part.startsWith('^') && COMPILED_END.test(part))) return String(regexp)
  let next = 0
  const nextName = (): string => {
    const name = keys[next++]?.name
    return typeof name === 'string' ? `:${name}` : '*'
  }
  return parts.map((part) => rewritten(part.slice(1).replace(COMPILED_END, ''), nextName)).join('|')
}

/** The pattern of a mount of which only the matched text is known: the values of its parameters become their names. */
function named(text: string, params: Params | undefined): string {
  const names = new Map(Object.entries(params ?? {}).map(([name, value]) => [String(value), name]))
  const nameOf = (segment: string): string => {
    const name = segment === '' ? undefined : names.get(decoded(segment))
    return name === undefined ? segment : `:${name}`
  }
  return text.toLowerCase() === text && names.size === 0 ? text : text.split('/').map(nameOf).join('/')
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Names that layers have been given, once. */
const mounts = new WeakMap<object, string>()

/** The name of a mount: as it was written, else as the first URL to match shows it, for all that come after. */
export function mountOf(layer: Layer, { path = '', params }: Match): string {
  let mount = mounts.get(layer)
  if (mount === undefined) {
    const { rawPath, regexp } = layer
    const text =
      rawPath !== undefined ? written(rawPath) : regexp !== undefined ? decompiled(layer) : named(path, params)
    mount = text.replace(/\/+$/, '')
    mounts.set(layer, mount)
  }
  return mount
}
