// Two graphs of the same code, each with one instance of every class. `dist/*.cjs` is what Node loads: its ESM entry re-exports the
// CommonJS one, so that `instanceof ShedError` holds whichever way, and through whichever subpath, the package was loaded.
// `dist/esm` is what bundlers and other runtimes load, with one entry for each way in which the wasm module may come.
// Neither imports a module of Node's when it is loaded: a bundle of either runs in any format.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import { parseAst } from 'rolldown/parseAst'
import { checksum } from './scripts/lib/checksum.mjs'
import { entries } from './scripts/lib/entries.mjs'
import { studioPage } from './scripts/lib/studio-page.mjs'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const { version } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8'))

/** A package by name or a module of Node's; neither a path nor a drive. */
const PACKAGE = /^(?![A-Za-z]:[\\/])[^./\0]/

const MODULE = pathOf('dist/atrion.wasm')
/** The most that zlib can do; what is unpacked is the same. */
const BEST = { level: 9, memLevel: 9 }
const BYTES = 'atrion.wasm?deflate'
/** Without the module the package has no engine 'wasm'. */
const content = existsSync(MODULE) ? readFileSync(MODULE) : Buffer.alloc(0)
const DEFLATED = JSON.stringify(deflateRawSync(content, BEST).toString('base64'))
const FACTS = `export const BYTES = ${content.length}, CHECKSUM = ${checksum(content)}`

/** The wasm module, as each entry wants it: bytes, or a file beside the package. */
const wasm = {
  name: 'wasm',
  resolveId(id) {
    if (id === BYTES) return `\0${id}`
    return id.startsWith('atrion.wasm') ? { id: `../${id}`, external: 'relative' } : null
  },
  load: (id) =>
    id === `\0${BYTES}` ? `${FACTS}; export const deflated = () => ${DEFLATED}, file = () => undefined` : null,
}

/** In CommonJS the bytes are a file of their own, which is read where the module's file is not there: most processes need neither. */
const INLINE = 'wasm-bytes.cjs'
const wasmBeside = {
  name: 'wasm-beside',
  resolveId: (id) => (id === `./${INLINE}` ? { id: `./${INLINE}`, external: true } : null),
  load: (id) =>
    id === `\0${BYTES}`
      ? `${FACTS}
         export const deflated = () => require('./${INLINE}')
         export const file = ({ readFileSync }) => {
           try {
             return new Uint8Array(readFileSync(__dirname + '/../atrion.wasm'))
           } catch {}
         }`
      : null,
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: `chunks/${INLINE}`, source: `module.exports=${DEFLATED}` })
  },
}

/** The module of a fleet, as bytes in its code. */
const FLEET = pathOf('dist/fleet.wasm')
const fleetContent = existsSync(FLEET) ? readFileSync(FLEET) : Buffer.alloc(0)
const FLEET_BYTES = 'fleet.wasm?deflate'
const fleet = {
  name: 'fleet',
  resolveId: (id) => (id === FLEET_BYTES ? `\0${id}` : null),
  load: (id) =>
    id === `\0${FLEET_BYTES}`
      ? `export const BYTES = ${fleetContent.length}
         export const deflated = () => ${JSON.stringify(deflateRawSync(fleetContent, BEST).toString('base64'))}`
      : null,
}

/** Files of which few processes need any: each is loaded by the first use of a name in it, since a start pays for every byte that is compiled. */
const LAZY = [
  { name: 'model', test: /[\\/]ts[\\/]core[\\/](?!config|constants|guards|index|profiles|tuner|types)/, priority: 3 },
  { name: 'ts-engine', test: /[\\/]ts[\\/]engine[\\/]ts[\\/]/, priority: 3 },
  {
    name: 'wasm-engine',
    test: /[\\/]ts[\\/](?:engine[\\/]wasm|base[\\/](?:inflate|checksum))|^\0atrion\.wasm/,
    priority: 3,
  },
  {
    name: 'routing',
    test: /[\\/]ts[\\/](?:routes[\\/](?:batch|configure|decision|open-loop|states)|base[\\/](?:explanation|reason))/,
    priority: 3,
  },
  { name: 'leases', test: /[\\/]ts[\\/]leases[\\/]/, priority: 3 },
  { name: 'waiting', test: /[\\/]ts[\\/]limiter[\\/](?:culprit|metrics|room|route-room|waiting|waits)/, priority: 3 },
  { name: 'in-memory', test: /[\\/]ts[\\/]providers[\\/](?:memory|documents)\.ts/, priority: 3 },
  { name: 'swarm', test: /[\\/]ts[\\/](?:swarm|upstream)[\\/]/, priority: 3 },
  {
    name: 'replication',
    test: /[\\/]ts[\\/](?:replication[\\/](?!connection|documents)|base[\\/](?:document-calls|within)\.)/,
    priority: 3,
  },
  { name: 'control', test: /[\\/]ts[\\/](?:config[\\/]|bans[\\/]|control\.ts|replication[\\/]documents)/, priority: 4 },
  {
    name: 'providers',
    test: /[\\/]ts[\\/]providers[\\/](?:checks|disk|file|kv|listeners|machine[\\/]|manager|postgres[\\/]|snapshot|redis[\\/])/,
    priority: 3,
  },
  { name: 'recording', test: /[\\/]ts[\\/]recording[\\/](?!format)/, priority: 3 },
  { name: 'stack', test: /[\\/]ts[\\/]watchdog[\\/]stack/, priority: 3 },
  { name: 'auto', test: /[\\/]ts[\\/]auto[\\/](?!auto\.ts)/, priority: 3 },
  { name: 'stream', test: /[\\/]ts[\\/]stream[\\/]/, priority: 3 },
  { name: 'watchdog', test: /[\\/]ts[\\/]watchdog[\\/]/, priority: 3 },
]
/** One file for all else that `require('atrion')` needs, but for what the functional model needs, which is another one's entry, too. */
const GROUPS = [
  ...LAZY,
  // Of two entries: within one of them, its names would be among those that this entry exports.
  { name: 'check', test: /[\\/]hooks[\\/]check/, priority: 3 },
  {
    name: 'base',
    test: /[\\/]ts[\\/](?:core[\\/](?!index)|base[\\/]|engine[\\/](?:kinds|port)|events[\\/](?:loggers|observers))/,
    priority: 2,
  },
  {
    name: 'atrion',
    test: /[\\/]ts[\\/](?:atrion\.ts|auto[\\/]auto\.ts|context\.ts|parts\.ts|ports\.ts|addon|engine|entries[\\/]node|events|options|routes|limiter|leases|providers|replication|watchdog)|^\0atrion\.wasm/,
    priority: 1,
  },
]

/** An object with a getter for each name of a file that it loads at the first use of one; `$lazy` is a name that the minifier, which gives shorter ones, does not use. */
const GETTERS =
  'const $lazy=(load,names,file,all={})=>{for(const name of names)Object.defineProperty(all,name,{get:()=>(file??=load())[name]});return all};'
/**
 * Loads the files of `LAZY` at the first use of a name: to the others each is an object of getters. What an entry re-exports of them is a
 * getter, too, in a form that Node finds the names of an ESM import in.
 */
const lazily = {
  name: 'lazily',
  generateBundle(_, bundle) {
    const lazy = new Map(LAZY.map(({ name }) => [`${name}.cjs`, bundle[`chunks/${name}.cjs`]?.exports ?? []]))
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk' || lazy.has(chunk.fileName.replace('chunks/', ''))) continue
      const locals = new Set()
      const getters = (found, local, path, file) => {
        const names = lazy.get(file)
        if (names === undefined) return found
        locals.add(local)
        const used = names.filter((name) => chunk.code.includes(`${local}.${name}`))
        return `${local}=$lazy(()=>require("${path}"),"${used.join(' ')}".split(" "))`
      }
      const reexport = (found, name, local, member) =>
        locals.has(local)
          ? `Object.defineProperty(exports,"${name}",{enumerable:true,get:function(){return ${local}.${member}}})`
          : found
      chunk.code = chunk.code
        .replace(/([\w$]+)=require\("(\.\/(?:chunks\/)?([\w-]+\.cjs))"\)/g, getters)
        .replace(/exports\.([\w$]+)=([\w$]+)\.([\w$]+)(?=[,;])/g, reexport)
      if (locals.size > 0) chunk.code = chunk.code.replace(/^(?:#!.*\n)?/, (start) => start + GETTERS)
    }
  },
}

/** Names that a file gives new values to, in any of its scopes. */
const assignedIn = (code) => {
  const names = new Set()
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk)
    if (typeof node?.type !== 'string') return
    if (node.type === 'AssignmentExpression') names.add(node.left.name)
    if (node.type === 'UpdateExpression') names.add(node.argument.name)
    if (node.type === 'VariableDeclarator' && node.init === null) names.add(node.id.name)
    Object.values(node).forEach(walk)
  }
  walk(parseAst(code, { lang: 'js' }))
  return names
}

/** Files of several entries export values: to define a getter for each takes longer at a start. Those that change keep theirs. */
const plainExports = {
  name: 'plain-exports',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk' || chunk.isEntry) continue
      const assigned = assignedIn(chunk.code)
      chunk.code = chunk.code.replace(
        /Object\.defineProperty\(exports,"([\w$]+)",\{enumerable:!0,get:function\(\)\{return ([\w$]+)\}\}\)/g,
        (found, name, local) => (assigned.has(local) ? found : `exports.${name}=${local}`),
      )
    }
  },
}

/** Marks of calls without effects are for bundlers that drop what nothing uses, which they do in ESM alone. */
const unmarked = {
  name: 'unmarked',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type === 'chunk')
        chunk.code = chunk.code.replace(/([\w$]?)\/\* @__PURE__ \*\/ /g, (_, before) => before && `${before} `)
    }
  },
}

/** Characters beyond ASCII as escapes: a file with one of them is decoded into twice its size before it is parsed. */
const ascii = {
  name: 'ascii',
  generateBundle(_, bundle) {
    const escapeOf = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
    for (const chunk of Object.values(bundle)) {
      if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/[^\0-\x7f]/g, escapeOf)
    }
  },
}

/** What makes instances of its own takes the class from the package, as the runtime loads it. */
const face = {
  name: 'face',
  resolveId: (id, importer) =>
    id === '../atrion.js' &&
    /(?:adapters[\\/](?:fetch|_nest-module)|testing[\\/]expect-goodput)\.ts$/.test(importer ?? '')
      ? { id: 'atrion', external: true }
      : null,
}

/** Modules of Node's that the package asks for. */
const BUILTINS =
  'async_hooks crypto diagnostics_channel fs fs/promises http module net os path perf_hooks url v8 worker_threads zlib'
    .split(' ')
    .map((name) => `node:${name}`)
/**
 * Before Node 20.16 CommonJS requires them; each by a call of its own, which bundlers understand, and which one that bundles for
 * another runtime may leave unresolved, because it can fail.
 */
const old = {
  name: 'old',
  load: (id) =>
    /base[\\/]builtin-old\.ts$/.test(id)
      ? `export const requireOld = (id) => {
           try { switch (id) { ${BUILTINS.map((name) => `case '${name}': return require('${name}')`).join('\n')} } } catch {}
         }`
      : null,
}

/** Studio's page: one document with its style and its script in it, deflated. */
const pageModule = async () => {
  const bytes = Buffer.from(await studioPage())
  return `export const BYTES = ${bytes.length}, DEFLATED = ${JSON.stringify(deflateRawSync(bytes, BEST).toString('base64'))}`
}
const page = {
  name: 'studio-page',
  resolveId: (id) => (id === 'studio-page' ? '\0studio-page' : null),
  load: (id) => (id === '\0studio-page' ? pageModule() : null),
}

/** Characters from which on a line ends where it may: shorter lines are only more bytes. */
const LINE = 300

/**
 * Line breaks between statements and between the members of classes: Node prints the whole line of an error that is not caught, and a
 * stack names a line.
 */
const lines = {
  name: 'lines',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle).filter(({ type }) => type === 'chunk')) {
      const starts = []
      const walk = (node) => {
        if (Array.isArray(node)) node.forEach(walk)
        if (typeof node?.type !== 'string') return
        if (node.type === 'Program' || node.type === 'ClassBody') starts.push(...node.body.map(({ start }) => start))
        if (node.type === 'VariableDeclaration') starts.push(...node.declarations.slice(1).map(({ start }) => start))
        Object.values(node).forEach(walk)
      }
      walk(parseAst(chunk.code, { lang: 'js' }))
      const broken = ['']
      let from = 0
      for (const end of [...new Set(starts.sort((a, b) => a - b)), chunk.code.length]) {
        broken[broken.length - 1] += chunk.code.slice(from, end)
        if (broken.at(-1).length >= LINE && end < chunk.code.length) broken.push('')
        from = end
      }
      chunk.code = broken.join('\n')
    }
  },
}

const common = {
  ...Object.fromEntries(entries().map(([name, source]) => [name, `ts/${source}.ts`])),
  wasm: 'ts/wasm.ts',
  inline: 'ts/entries/inline.ts',
}

const graph = (input, { dir, format, extension, define = {}, plugins = [], groups }) => ({
  input: { ...common, ...input },
  platform: 'neutral',
  external: (id) => PACKAGE.test(id) && !/^(?:atrion|fleet)\.wasm/.test(id) && id !== 'studio-page',
  plugins: [
    face,
    page,
    ...plugins,
    wasm,
    fleet,
    ...(format === 'cjs' ? [plainExports, lazily, unmarked] : []),
    ascii,
    lines,
  ],
  transform: { define: { ATRION_VERSION: JSON.stringify(version), ...define } },
  output: {
    dir,
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `chunks/[name].${extension}`,
    exports: 'named',
    // No tag by which what `require` gives would call itself a module: nothing asks for it.
    generatedCode: { symbols: false },
    ...(groups && { codeSplitting: { groups, includeDependenciesRecursively: false } }),
    minify: { compress: true, mangle: { toplevel: true, keepNames: { class: true, function: false } }, codegen: true },
  },
})

export default [
  graph(
    { index: 'ts/index.ts', cli: 'ts/cli/main.ts' },
    {
      dir: 'dist',
      format: 'cjs',
      extension: 'cjs',
      define: { 'import.meta.url': 'undefined' },
      plugins: [old, wasmBeside],
      groups: GROUPS,
    },
  ),
  graph(
    {
      node: 'ts/index.ts',
      ...Object.fromEntries(['workerd', 'edge-light', 'stream'].map((name) => [name, `ts/entries/${name}.ts`])),
    },
    { dir: 'dist/esm', format: 'esm', extension: 'mjs' },
  ),
]
