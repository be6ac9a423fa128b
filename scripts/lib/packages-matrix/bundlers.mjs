/** Each bundler as it comes, without any configuration that concerns the package: a server in CommonJS and in ESM. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tool } from './tools.mjs'

const extensionOf = (format) => (format === 'esm' ? 'mjs' : 'cjs')

/** A bundler's warning counts as a fault. */
const quiet = (warnings) => {
  if (warnings.length > 0) throw new Error(`warnings: ${warnings.join('; ')}`)
}

/** Bundles `entry` of `folder` into `file`. */
export const BUNDLERS = {
  esbuild: async (folder, entry, file, format) => {
    const { build } = await tool('esbuild')
    const { warnings } = await build({
      bundle: true,
      platform: 'node',
      format,
      absWorkingDir: folder,
      entryPoints: [entry],
      outfile: file,
      logLevel: 'silent',
    })
    quiet(warnings.map(({ text }) => text))
  },
  webpack: async (folder, entry, file, format) => {
    const { default: webpack } = await tool('webpack')
    const isEsm = format === 'esm'
    const options = {
      mode: 'production',
      target: 'node',
      context: folder,
      entry: `./${entry}`,
      experiments: { outputModule: isEsm },
      output: {
        path: join(file, '..'),
        filename: file.slice(join(file, '..').length + 1),
        ...(isEsm ? { module: true, chunkFormat: 'module', library: { type: 'module' } } : {}),
      },
    }
    const stats = await new Promise((resolve, reject) =>
      webpack(options, (error, result) => (error ? reject(error) : resolve(result))),
    )
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
    quiet([...errors, ...warnings].map(({ message }) => message))
  },
  rollup: async (folder, entry, file, format) => {
    const { rollup } = await tool('rollup')
    const { nodeResolve } = await tool('@rollup/plugin-node-resolve')
    const { default: commonjs } = await tool('@rollup/plugin-commonjs')
    const warnings = []
    const bundle = await rollup({
      input: join(folder, entry),
      plugins: [nodeResolve(), commonjs()],
      onwarn: ({ message }) => warnings.push(message),
    })
    await bundle.write({ file, format, inlineDynamicImports: true })
    quiet(warnings)
  },
  rolldown: async (folder, entry, file, format) => {
    const { rolldown } = await tool('rolldown')
    const warnings = []
    const bundle = await rolldown({
      cwd: folder,
      input: `./${entry}`,
      platform: 'node',
      onLog: (_level, { message }) => warnings.push(message),
    })
    await bundle.write({ file, format })
    quiet(warnings)
  },
  ncc: async (folder, entry, file, format) => {
    const { default: ncc } = await tool('@vercel/ncc')
    const path = join(folder, format === 'esm' ? entry : entry.replace('.mjs', '.cjs'))
    const { code, assets } = await ncc(path, { quiet: true, cache: false })
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, code)
    quiet(Object.keys(assets))
  },
  'Vite, SSR': async (folder, entry, file, format) => {
    const { build } = await tool('vite')
    await build({
      root: folder,
      configFile: false,
      logLevel: 'error',
      // Else dependencies stay outside of a bundle for the server.
      ssr: { noExternal: true },
      build: {
        ssr: entry,
        outDir: join(file, '..'),
        emptyOutDir: false,
        rolldownOptions: {
          output: { format: format === 'esm' ? 'es' : 'cjs', entryFileNames: file.slice(join(file, '..').length + 1) },
        },
      },
    })
  },
}

/** Bundles an app; resolves to the bundle's path. */
export const bundle = async (name, folder, format) => {
  const file = join(folder, 'out', `${name.replace(/\W+/g, '-')}.${extensionOf(format)}`)
  mkdirSync(join(folder, 'out'), { recursive: true })
  await BUNDLERS[name](folder, 'app.mjs', file, format)
  return file
}
