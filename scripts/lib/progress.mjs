/** Prints the progress of a script: one line a step, in whole sentences, with the seconds since the start. */
const startedAt = performance.now()

/** Seconds since the script started. */
const elapsedS = () => (performance.now() - startedAt) / 1000

/** A line of progress. */
export const say = (text) => console.log(`[${elapsedS().toFixed(0).padStart(4)}s] ${text}`)

/** A line of progress at most once every `everyMs`, for counters that move all the time. */
export const sometimes = (everyMs = 5000) => {
  let last = performance.now()
  return (text) => {
    if (performance.now() - last < everyMs) return
    last = performance.now()
    say(text)
  }
}

/**
 * Shows the progress of work in steps, on stderr, so that stdout holds the results alone: in place on a terminal, elsewhere a line a tenth.
 *
 * @param {number} done @param {number} total @param {string} what the step
 */
export const sayCount = (done, total, what) => {
  const line = `${done}/${total} ${what}`
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${done === total ? '' : line}`)
  else if (done === total || done % Math.ceil(total / 10) === 0) process.stderr.write(`${line}\n`)
}
