/** Requests for a path that is not guarded, as that of the metrics: seen also while the service sheds. */

export const NONE_EXEMPT: ReadonlyMap<string, number> = new Map()

const pathIn = (url: string): string => {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** The path of a request: Express's before it was mounted, Node's, or of an absolute URL. */
function pathOf(request: unknown, node: unknown): string | undefined {
  const { originalUrl } = (request ?? {}) as { originalUrl?: unknown }
  if (typeof originalUrl === 'string') return pathIn(originalUrl)
  const { url } = (node ?? {}) as { url?: unknown }
  if (typeof url === 'string') return pathIn(url)
  const { req, url: own } = (request ?? {}) as { req?: { path?: unknown }; url?: unknown }
  if (typeof req?.path === 'string') return req.path
  return typeof own === 'string' ? pathIn(own.replace(/^[a-z]+:\/\/[^/]*/i, '')) : undefined
}

/** Returns whether a request is for a path that is not guarded. */
export function isExempt(paths: ReadonlyMap<string, number>, request: unknown, node: unknown): boolean {
  try {
    const path = pathOf(request, node)
    return path !== undefined && paths.has(path)
  } catch {
    return false
  }
}
