/** Does nothing else for so long, ms. */
export const block = (ms) => {
  const startMs = performance.now()
  while (performance.now() - startMs < ms);
  return performance.now() - startMs
}
