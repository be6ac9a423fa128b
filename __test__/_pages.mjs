// The project's pages of Markdown: the README and its kind in the root, all of docs/, the lab's.
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Of docs/, what is written by hand. */
const isWritten = (path) => path.endsWith('.md') && !/(^|\/)(node_modules|\.vitepress|api|demo)\//.test(path)

const within = (folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .filter(isWritten)
    .sort()

/** Paths from the root, with `/` on every platform. */
export const PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'lab/README.md', ...within('docs')]
