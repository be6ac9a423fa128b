/** For tests: whether a custom state provider keeps what the port to it promises, and whether settings hold under load. */

export {
  type ConformanceOptions,
  type ProviderUnderTest,
  type RegisterTest,
  testProvider,
} from './conformance.js'
export { expectGoodput, GoodputError, type GoodputOptions, type GoodputReport } from './expect-goodput.js'
