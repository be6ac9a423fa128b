/**
 * Counts of what passed and failed, read from what the runners themselves print: TAP version 13 from ava, the
 * `test result:` lines from cargo. Nothing is counted that a runner did not report, with one exception: a runner that
 * failed, or ran nothing, without naming a failed test counts as one failure.
 */

const CARGO_RESULT = /^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/
const SUM = /^(\d+) passed, (\d+) failed$/
const TAP_RESULT = /^(not )?ok\b(?:\s+\d+)?(.*)$/
const TAP_DIRECTIVE = /#\s*(SKIP|TODO)\b/i
const TAP_PLAN = /^1\.\.(\d+)/

/** Reads TAP line by line. */
export class TapCounter {
  passed = 0
  failed = 0
  skipped = 0
  #planned
  #seen = 0

  /** Takes a line; true when it begins a failed test. */
  take(line) {
    const plan = TAP_PLAN.exec(line)
    if (plan) this.#planned = (this.#planned ?? 0) + Number(plan[1])
    const result = TAP_RESULT.exec(line)
    if (!result) return false
    this.#seen++
    if (TAP_DIRECTIVE.test(result[2])) this.skipped++
    else if (result[1]) this.failed++
    else this.passed++
    return Boolean(result[1]) && !TAP_DIRECTIVE.test(result[2])
  }

  /** Did the stream end before all that it announced, or announce nothing? */
  get truncated() {
    return this.#planned === undefined || this.#planned > this.#seen
  }
}

/** Reads cargo's output line by line, over any number of test binaries. */
export class CargoCounter {
  passed = 0
  failed = 0
  skipped = 0
  truncated = false

  /** Takes a line; true when it is a failed test's. */
  take(line) {
    const result = CARGO_RESULT.exec(line)
    if (result) {
      this.passed += Number(result[1])
      this.failed += Number(result[2])
      this.skipped += Number(result[3])
    }
    return /^test .* \.\.\. FAILED$/.test(line)
  }
}

/** Reads the last line of a script that counts for itself: `N passed, N failed`. */
export class SumCounter {
  passed = 0
  failed = 0
  skipped = 0
  truncated = true

  /** Takes a line; true when it is the one that counts. */
  take(line) {
    const result = SUM.exec(line)
    if (!result) return false
    this.passed = Number(result[1])
    this.failed = Number(result[2])
    this.truncated = false
    return true
  }
}

/** The verdict on a runner that ended with `code`: `{ name, passed, failed, skipped, note? }`. */
export const verdictOf = (name, counter, code) => {
  const { passed, failed, skipped } = counter
  const verdict = { name, passed, failed, skipped }
  if (failed > 0) return verdict
  if (code !== 0) return { ...verdict, failed: 1, note: `ended with code ${code} without naming a failed test` }
  if (passed === 0) return { ...verdict, failed: 1, note: 'ran nothing' }
  if (counter.truncated) return { ...verdict, failed: 1, note: 'stopped before all of its tests had run' }
  return verdict
}

/** The worth of a check that either holds or does not. */
export const verdictOfCheck = (name, code, note) => ({
  name,
  passed: code === 0 ? 1 : 0,
  failed: code === 0 ? 0 : 1,
  skipped: 0,
  ...(code !== 0 && note ? { note } : {}),
})

/** The sums of all verdicts. */
export const sumOf = (verdicts) => ({
  passed: verdicts.reduce((sum, { passed }) => sum + passed, 0),
  failed: verdicts.reduce((sum, { failed }) => sum + failed, 0),
})

/** One row per verdict, as lines of a table. */
export const tableOf = (verdicts) => {
  const width = Math.max(...verdicts.map(({ name }) => name.length))
  return verdicts.map(({ name, passed, failed, skipped, note }) => {
    const counts = `${String(passed).padStart(6)} passed ${String(failed).padStart(4)} failed`
    const rest = [skipped > 0 ? `${skipped} skipped` : '', note ?? ''].filter(Boolean).join('; ')
    return `${failed === 0 ? ' ok ' : 'FAIL'}  ${name.padEnd(width)}  ${counts}${rest ? `  (${rest})` : ''}`
  })
}
