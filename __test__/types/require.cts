/** `require` as TypeScript spells it, and what plain JavaScript does. */
import assert = require('node:assert/strict')
import atrion = require('atrion')
import core = require('atrion/core')
import simulation = require('atrion/simulation')

const { Atrion, ConfigError } = atrion
const instance: atrion.Atrion = new Atrion({ engine: 'ts' })
assert.ok(instance.route('a', { latencyMs: 1 }).allow)
assert.throws(() => new Atrion({ maxRoutes: -1 }), ConfigError)
assert.equal(core.VirtualClock, atrion.VirtualClock)
assert.equal(typeof simulation.runSimulation, 'function')
const version: string = (require('atrion/package.json') as { version: string }).version
assert.match(version, /^\d+\.\d+\.\d+/)
