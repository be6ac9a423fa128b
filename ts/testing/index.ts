/** For tests: whether a state provider of one's own keeps what the port to it promises. */

export {
  type ConformanceOptions,
  type ProviderUnderTest,
  type RegisterTest,
  testProvider,
} from './conformance.js'
