/** The engines that an entry point of the package has, best first. */

import type { Engine, EngineKind } from './port.js'

export type Engines = Readonly<Partial<Record<EngineKind, (maxRoutes: number, isShared?: boolean) => Engine>>>
