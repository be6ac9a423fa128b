// The longest time that a test waits for an event that may never come. It is no measure of speed: a busy machine has to be no reason to fail. ava ends a
// run that makes no progress for longer.
export const PATIENCE_MS = 240_000
