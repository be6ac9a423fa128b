/**
 * Writes the golden vectors anew, from the native engine. Only after a change to the laws that is meant to change answers:
 *
 *   node scripts/write-vectors.mjs
 */
import { writeFileSync } from 'node:fs'
import { Atrion } from 'atrion'
import { vectorsOf } from '../__test__/_worlds.mjs'

const vectors = vectorsOf((options) => new Atrion({ engine: 'native', ...options }))
writeFileSync(new URL('../__test__/vectors/golden.json', import.meta.url), `${JSON.stringify(vectors, null, 1)}\n`)
