/** What the scripts say while they work: one line a step, in whole sentences, with the seconds since the start. */
const startedAt = performance.now()

/** Seconds since the script started. */
export const elapsedS = () => (performance.now() - startedAt) / 1000

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
