import { windowOf } from './metrics.mjs'

const MAX_POINTS = 80

/** Three significant figures are all a plot can show. */
const short = (x) => (Number.isFinite(x) ? Number(x.toPrecision(3)) : null)

/**
 * The series of the plots: per bin, requests, good answers and the ceiling a second, and each tier's success (null where
 * the tier sent nothing).
 * @param {import('./window.mjs').RunView} view
 */
export function seriesOf(view) {
  const [from, to] = view.scenario.plotS ?? windowOf(view.scenario)
  const binS = Math.max(0.25, (to - from) / MAX_POINTS)
  const series = { fromS: from, binS, offered: [], good: [], ceiling: [], tiers: [[], [], [], [], []] }
  for (let s = from; s + binS <= to + 1e-9; s += binS) {
    const a = s * 1000
    const b = (s + binS) * 1000
    series.offered.push(short(view.requestsIn(a, b) / binS))
    series.good.push(short(view.goodIn(a, b) / binS))
    series.ceiling.push(short(view.ceilingIn(a, b) / binS))
    view.tiersIn(a, b).forEach((tier, i) => {
      series.tiers[i].push(tier.requests === 0 ? null : short(tier.served / tier.requests))
    })
  }
  return series
}
