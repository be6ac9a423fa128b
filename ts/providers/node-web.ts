/** Stand-ins for Node's providers outside of it: their names are there, so that one program loads everywhere. */

import { AtrionError } from '../base/errors.js'

/** @throws AtrionError always */
const missing = (name: string, what: string): never => {
  throw new AtrionError(`${name} needs Node.js: this runtime has no ${what}`, { code: 'ATRION_DEPENDENCY' })
}

export class FileStateProvider {
  constructor() {
    missing('FileStateProvider', 'file system')
  }
}

export class MachineStateProvider {
  constructor() {
    missing('MachineStateProvider', 'socket of the machine')
  }
}

export class RedisStateProvider {
  constructor() {
    missing('RedisStateProvider', 'native addon')
  }
}

export class RedisClusterProvider {
  constructor() {
    missing('RedisClusterProvider', 'native addon')
  }
}
