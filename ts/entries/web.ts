/** The entry of every runtime but Node: the package's names, its providers for Node in name only. */

export * from '../names.js'
export * from '../providers/node-web.js'
