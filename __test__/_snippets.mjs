// The code blocks of a Markdown file, as a reader would take them over.

/** A fence, the language and what else stands behind it, and everything up to the fence that closes it. */
const BLOCK = /^(`{3,}|~{3,})[ \t]*([\w+-]+)([^\n]*)\n([\s\S]*?)^\1[ \t]*$/gm

const LANGUAGES = new Set(['js', 'javascript', 'mjs', 'cjs', 'ts', 'typescript', 'mts', 'cts'])

/** Plain JavaScript is a module, unless it requires and does not import. */
const languageOf = (language, code) => {
  if (/^[mc]?ts$|^typescript$/.test(language)) return 'ts'
  if (language === 'mjs' || language === 'cjs') return language
  return /\brequire\(/.test(code) && !/^\s*import\b/m.test(code) ? 'cjs' : 'mjs'
}

/**
 * Blocks of JavaScript and TypeScript that are to be run or compiled; one marked `no-run` behind its language is not.
 *
 * @returns {{ line: number, language: 'mjs' | 'cjs' | 'ts', code: string }[]}
 */
export const snippetsOf = (markdown) =>
  [...markdown.replaceAll('\r\n', '\n').matchAll(BLOCK)]
    .filter(([, , language, info]) => LANGUAGES.has(language.toLowerCase()) && !/\bno-run\b/.test(info))
    .map((match) => ({
      line: markdown.slice(0, match.index).split('\n').length + 1,
      language: languageOf(match[2].toLowerCase(), match[4]),
      code: match[4],
    }))
