/**
 * Atrion: admission control that behaves like physics.
 *
 * | from | what |
 * |---|---|
 * | `atrion` | the class a service holds |
 * | `options/` | the options, and their check |
 * | `routes/`, `limiter/`, `leases/` | decisions, permits, leases |
 * | `providers/`, `replication/` | stores of shared state, and what goes to and from them |
 * | `base/errors`, `events/` | errors, events, loggers, observers |
 * | `core/` | the functional model |
 *
 * @packageDocumentation
 */

export { Atrion } from './entries/node.js'
export * from './names.js'
export * from './providers/node.js'
