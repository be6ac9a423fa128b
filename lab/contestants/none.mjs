const PERMIT = { end() {} }

/** No protection: everything is admitted. The baseline, and the negative control "always admits". */
export const none = {
  id: 'none',
  create: () => ({ name: 'no protection', settings: {}, admit: () => PERMIT }),
}

/** Negative control: refuses everything. */
export const alwaysRefuses = {
  id: 'always-refuses',
  control: true,
  create: () => ({ name: 'always refuses', settings: {}, admit: () => null }),
}

/** Negative control: admits everything, under a name of its own, so that a win of `none` is never one of a control. */
export const alwaysAdmits = { ...none, id: 'always-admits', control: true }
