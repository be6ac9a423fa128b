/** What stands for Node's providers outside of it: their names are there, so that one program loads everywhere. */

import { AtrionError } from '../errors.js'

export class FileStateProvider {
  /** @throws AtrionError always */
  constructor() {
    throw new AtrionError('FileStateProvider needs Node.js: here is no file system', { code: 'ATRION_DEPENDENCY' })
  }
}
