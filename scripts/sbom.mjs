/** The bill of materials of a release, CycloneDX 1.5: `npm run sbom -- --help`. */
import { writeFileSync } from 'node:fs'
import { cliOf } from './lib/cli.mjs'
import { cratesOf } from './lib/crates.mjs'
import { npm } from './lib/process.mjs'

const USAGE = `Usage: npm run sbom -- [file] [options]

Writes what npm installs with the package, and every crate in the addon, to the file (default sbom.cdx.json; - for stdout).

  --help   this text`

const {
  positionals: [file = 'sbom.cdx.json'],
} = cliOf(USAGE, { allowPositionals: true })
const { code, output } = await npm(['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--omit', 'peer'], {
  quiet: true,
})
if (code !== 0) {
  console.error(`npm sbom failed:\n${output}`)
  process.exit(1)
}
const bom = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1))
const crates = (await cratesOf()).filter(({ source }) => source !== null)
const refOf = ({ name, version }) => `pkg:cargo/${name}@${version}`
bom.metadata.component.name = 'atrion'
bom.components.push(
  ...crates.map((crate) => ({
    'bom-ref': refOf(crate),
    type: 'library',
    name: crate.name,
    version: crate.version,
    purl: refOf(crate),
    ...(crate.license && { licenses: [{ expression: crate.license.replace(/\s*\/\s*/g, ' OR ') }] }),
    ...(crate.repository && { externalReferences: [{ type: 'vcs', url: crate.repository }] }),
  })),
)
const root = bom.metadata.component['bom-ref']
const own = bom.dependencies.find(({ ref }) => ref === root)
own.dependsOn = [...(own.dependsOn ?? []), ...crates.map(refOf)]
bom.dependencies.push(...crates.map((crate) => ({ ref: refOf(crate), dependsOn: [] })))

const text = `${JSON.stringify(bom, null, 2)}\n`
if (file === '-') process.stdout.write(text)
else writeFileSync(file, text)
console.error(`${bom.components.length} components, ${crates.length} of them crates.`)
