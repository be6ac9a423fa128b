/** Atrion Studio's page as one document: its script bundled and minified, its style without what is not needed. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const fileOf = (name) => fileURLToPath(new URL(`../../ts/studio/page/${name}`, import.meta.url))

const minifiedStyle = (css) =>
  css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{}:;,>]) ?/g, '$1')
    .replaceAll(';}', '}')
    .trim()

const scriptOf = async () => {
  const bundle = await rolldown({ input: fileOf('main.ts'), platform: 'browser' })
  try {
    const { output } = await bundle.generate({ format: 'iife', minify: true })
    return output[0].code.trim()
  } finally {
    await bundle.close()
  }
}

let made

/** The document; `__NONCE__` and `__BASE__` in it are filled in by the server. */
export const studioPage = () => {
  made ??= scriptOf().then((script) => {
    if (/<\/script|<!--/i.test(script)) throw new Error('the script of the page would end its element')
    const parts = { STYLE: minifiedStyle(readFileSync(fileOf('style.css'), 'utf8')), SCRIPT: script }
    const html = readFileSync(fileOf('index.html'), 'utf8').replace(/>\s+</g, '><').trim()
    return html.replace(/\/\* (STYLE|SCRIPT) \*\//g, (_, name) => parts[name])
  })
  return made
}
