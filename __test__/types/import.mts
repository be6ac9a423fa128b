/** ESM beside CommonJS: the same classes, statically, dynamically, and by `require`. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { Atrion, ConfigError, VirtualClock } from 'atrion'
import { VirtualClock as CoreClock } from 'atrion/core'

const required = createRequire(import.meta.url)('atrion') as typeof import('atrion')
const imported = await import('atrion')
assert.equal(required.Atrion, Atrion)
assert.equal(imported.Atrion, Atrion)
assert.equal(CoreClock, VirtualClock)
assert.throws(() => new required.Atrion({ maxRoutes: -1 }), ConfigError)
await using atrion = new Atrion({ engine: 'ts' })
assert.ok(atrion.route('a', { latencyMs: 1 }).allow)
