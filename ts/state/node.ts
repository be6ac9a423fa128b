/** The providers that need what only Node has; bundles for other runtimes take `node-web` instead. */

export { FileStateProvider, type FileStateProviderOptions } from './file.js'
