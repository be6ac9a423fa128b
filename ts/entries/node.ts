/** The class with the engines that Node has, and what the processes of one machine share. */

import { Atrion as AnyAtrion } from '../atrion.js'
import { ConfigError } from '../base/errors.js'
import { copyOf, own } from '../base/own.js'
import { Withheld } from '../base/text.js'
import { ENGINES } from '../engine/engines-node.js'
import { SafeLogger } from '../events/safe-logger.js'
import type { AtrionOptions } from '../options/options.js'
import { KNOWN_OPTIONS } from '../options/validate.js'
import { MachineStateProvider } from '../providers/machine/provider.js'

/** An instance, with the engines that this entry point has. */
export class Atrion extends AnyAtrion {
  constructor(options?: AtrionOptions) {
    super(withMachine(options), ENGINES)
    if (!isOfMachine(options)) return
    this.connect().catch((error: unknown) => {
      new SafeLogger(options.logger).warn('nothing is shared with other processes of the machine', { error })
    })
  }
}

const isOfMachine = (options: AtrionOptions | undefined): options is AtrionOptions =>
  typeof options === 'object' && options !== null && own(options, 'scope') === 'machine'

function withMachine(options: AtrionOptions | undefined): AtrionOptions | undefined {
  if (!isOfMachine(options)) return options
  const provider = own(options, 'provider')
  if (provider !== undefined)
    throw new ConfigError('provider', "left out with scope: 'machine'", new Withheld(provider))
  return { ...copyOf(options, KNOWN_OPTIONS), provider: new MachineStateProvider() }
}
