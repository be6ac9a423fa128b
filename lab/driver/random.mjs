// Seeded randomness: that of `atrion/simulation`.
export { exponential, SERVICE_LAWS, stream } from 'atrion/simulation'
