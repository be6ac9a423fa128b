// Things that code of a host may throw and that are not expected. Each is made anew for each use.
const fail = () => {
  throw new Error('a trap')
}
const withGetter = (name) => () => Object.defineProperty(new Error('thrown'), name, { get: fail })

/** Errors with a field that cannot be read: frameworks answer them with 500, as any other. */
export const UNREADABLE = Object.fromEntries(
  ['cause', 'code', 'retryAfterMs', 'limitedBy'].map((name) => [`an error whose ${name} throws`, withGetter(name)]),
)

/** Data that says of itself that it is a refusal, as an answer of another service may. */
export const POSING = {
  'data with the code of a shed': () => ({ code: 'ATRION_SHED' }),
  'data with headers': () => ({
    code: 'ATRION_SHED',
    retryAfterMs: 'now',
    headers: { 'retry-after': '1\r\nx-evil: 1' },
  }),
  'an error with such data as its cause': () => new Error('thrown', { cause: { code: 'ATRION_SHED', status: 503 } }),
}

/** Things that throw when they are looked at. */
export const UNTOUCHABLE = {
  ...UNREADABLE,
  'an error whose name throws': withGetter('name'),
  'an error whose message throws': withGetter('message'),
  'a proxy that throws': () =>
    new Proxy({}, { get: fail, getOwnPropertyDescriptor: fail, getPrototypeOf: fail, has: fail, ownKeys: fail }),
  'a proxy of an error without a class': () => new Proxy(new Error('thrown'), { getPrototypeOf: fail }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  'an object without a prototype': () => Object.create(null),
  'a symbol': () => Symbol('thrown'),
  undefined: () => undefined,
  null: () => null,
}
