/** The page of a replay. */

import { type Line, pageOf, type Section } from '../simulation/page.js'
import type { CandidateRun } from './candidate-run.js'
import { fitSections, type WhatIf } from './fit-report.js'
import { candidateLines, coverageLines, summaryLines, verdictLines } from './report.js'
import type { ReplayResult } from './result.js'
import { ADMITTED, OFFERED, REFUSED } from './tally.js'
import type { Fit, Requests } from './trace.js'

/** A page with all of it, and plots. */
export function replayPage(
  title: string,
  result: ReplayResult,
  pairs: readonly (readonly [CandidateRun, CandidateRun])[],
  fit: { readonly trace: Requests; readonly fits: readonly Fit[]; readonly runs: readonly WhatIf[] },
): string {
  const { series } = result.tally
  const binS = series.binMs / 1000
  const sections: Section[] = [
    { kind: 'pre', text: [...coverageLines(result), ...verdictLines(result)].join('\n') },
    {
      kind: 'plot',
      plot: {
        title: 'As recorded',
        unit: 'decisions a second',
        binS,
        lines: [
          { name: 'decisions', values: series.perS(OFFERED) },
          { name: 'admitted', values: series.perS(ADMITTED) },
          { name: 'refused', values: series.perS(REFUSED) },
        ],
      },
    },
    { kind: 'pre', text: summaryLines(result).slice(1).join('\n') },
  ]
  for (const [best, worst] of pairs) {
    const [a, b] = [best.tally.series, worst.tally.series]
    const lines: Line[] = [{ name: 'admitted as recorded', values: series.perS(ADMITTED) }]
    if (a.binMs === b.binMs) {
      lines.push({
        name: 'admitted by the candidate, from bound to bound',
        values: b.perS(ADMITTED),
        upTo: a.perS(ADMITTED),
      } as Line)
    }
    sections.push(
      { kind: 'heading', text: best.candidate.name },
      { kind: 'plot', plot: { title: 'Bounds', unit: 'decisions a second', binS: a.binMs / 1000, lines } },
      { kind: 'pre', text: candidateLines(best, worst).slice(1).join('\n') },
    )
  }
  sections.push(...fitSections(fit.trace, fit.fits, fit.runs))
  return pageOf(title, sections)
}
