/** Errors: one root, a code each. */
import assert from 'node:assert/strict'
import {
  Atrion,
  AtrionError,
  ConfigError,
  ConnectionError,
  DependencyError,
  ParseError,
  ShedError,
  SyncError,
} from 'atrion'

const kinds = { ConnectionError, DependencyError, SyncError, ParseError, ShedError, ConfigError }
for (const kind of Object.values(kinds)) {
  const parent: typeof AtrionError.prototype = kind.prototype
  assert.ok(parent instanceof AtrionError && parent instanceof Error)
}

function configError(make: () => unknown): ConfigError {
  try {
    make()
  } catch (error) {
    if (error instanceof ConfigError) return error
  }
  throw new Error('nothing was refused')
}

const error = configError(() => new Atrion({ maxRoutes: 0 }))
const field: string = error.field
const range: string = error.range
const got: unknown = error.got
const code: string = error.code
assert.deepEqual([field, got, code], ['maxRoutes', 0, 'ATRION_CONFIG'])
assert.ok(error.message.includes(field) && error.message.includes(range) && error.message.includes('0'))
