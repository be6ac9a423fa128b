/** Calls `run` when the code under way is over, by a promise: `queueMicrotask` may be faked, and then never come. `run` throws nothing. */
export function soon(run: () => void): void {
  void settled.then(run)
}

const settled = Promise.resolve()
