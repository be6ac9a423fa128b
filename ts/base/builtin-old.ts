/** A stand-in for `process.getBuiltinModule`, which Node has since 20.16: nothing but in the package's CommonJS, which can `require`. */
export const requireOld = (_id: string): object | undefined => undefined
