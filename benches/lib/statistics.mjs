/** The few numbers that sum up repeats. */

/** Quantile q, [0, 1], of an ascending list, by linear interpolation. */
export const quantileOf = (sorted, q) => {
  const place = (sorted.length - 1) * q
  const low = Math.floor(place)
  const high = Math.ceil(place)
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
}

/** Median, minimum and spread (interquartile range ÷ median) of a list. */
export const summaryOf = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const median = quantileOf(sorted, 0.5)
  const spread = (quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25)) / median
  return { median, min: sorted[0], spread, repeats: sorted.length }
}
