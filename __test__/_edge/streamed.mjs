// A browser's tab that lets the module stream in.
import { Atrion } from 'atrion/wasm'

const atrion = new Atrion()
const decision = atrion.route('GET /', { latencyMs: 80 })
globalThis.report = Promise.resolve({ engine: atrion.engine, decision })
