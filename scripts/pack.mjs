/** Packs what is published: `npm run pack -- --help`. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { cliOf } from './lib/cli.mjs'
import { ROOT } from './lib/process.mjs'
import { binaries, packAll } from './lib/release.mjs'

const USAGE = `Usage: npm run pack -- [options]

Packs what is published: the main package, and a package for each platform whose binary is in the root or below artifacts/.

  --out <folder>   into this folder (default .cache/packed)
  --complete       exit with 1 when a platform's binary is missing
  --help           this text`

const { values } = cliOf(USAGE, { options: { out: { type: 'string' }, complete: { type: 'boolean' } } })
const found = binaries()
const missing = found.filter(({ binary }) => binary === undefined).map(({ platform }) => platform.name)
const packed = await packAll(values.out ?? join(ROOT, '.cache', 'packed'), { found })
for (const { name, file } of packed) {
  const content = readFileSync(file)
  console.log(
    `${name.padEnd(34)}${String(gunzipSync(content).length).padStart(9)} bytes${String(content.length).padStart(9)} packed  ${relative(ROOT, file)}`,
  )
}
if (missing.length > 0) console.log(`\nWithout a binary, not packed: ${missing.join(', ')}`)
process.exitCode = values.complete && missing.length > 0 ? 1 : 0
