/** Paths of settings: as text for people, as names for code. Ids of routes may have dots in them. */

import { DEFAULT_CONFIG } from '../core/index.js'

/** Names of a route's own settings besides the physics. */
const OF_ROUTE = ['profile', 'slo', 'limits', 'pool', 'reserve', 'lanes', 'breakBy']
const PHYSICS = Object.keys(DEFAULT_CONFIG)

/** The tail of a path that is a setting of a route. */
const SETTING = new RegExp(
  `\\.(?:(?:slo|limits|reserve|lanes|profile)(?:\\.[\\w.]+)?|${[...OF_ROUTE, ...PHYSICS].join('|')})$`,
)

/** A path as text: `routes.GET /users/:id.limits.max`. */
export const textOfPath = (path: readonly string[]): string => path.join('.')

/** The names of a path that was given as text; the id of a route is everything between `routes.` and a setting of a route. */
export function namesOfPath(text: string): string[] {
  const [section = ''] = text.split('.', 1)
  if (section === 'overrides') return text === section ? [section] : [section, text.slice(section.length + 1)]
  if (section !== 'routes') {
    const names = text.split('.')
    return names.length === 1 && PHYSICS.includes(names[0]!) ? ['config', names[0]!] : names
  }
  if (text === section) return [section]
  const rest = text.slice(section.length + 1)
  const setting = firstSetting(rest)
  if (setting < 0) return [section, rest]
  return [section, rest.slice(0, setting), ...rest.slice(setting + 1).split('.')]
}

/** The place of the dot before the longest tail that is a setting; −1: there is none. */
function firstSetting(text: string): number {
  for (let at = text.indexOf('.', 1); at >= 0; at = text.indexOf('.', at + 1)) {
    const found = SETTING.exec(text.slice(at))
    if (found?.index === 0) return at
  }
  return -1
}

/** Returns whether one of two paths is at or below the other. */
export const overlap = (a: readonly string[], b: readonly string[]): boolean => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false
  return true
}

/** A path as one text that no other path has, as a JSON pointer (RFC 6901). */
export const pointerOf = (path: readonly string[]): string =>
  path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/** The same as `overlap` of the paths that two pointers stand for. */
export const overlapAsPointers = (a: string, b: string): boolean =>
  a === b || (a.length < b.length ? b.startsWith(`${a}/`) : a.startsWith(`${b}/`))

export const namesOfPointer = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
