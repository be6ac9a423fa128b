/** Series as text: Prometheus's format 0.0.4, and OpenMetrics 1.0. */

import type { Exemplar } from './_exemplars.js'
import { BOUNDS_S, FAMILIES, type Family, type FamilyKey } from './_families.js'
import type { HistogramPoint, LabelSet, Point, Series } from './_series.js'

export const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** Finds the exemplar of a bucket. */
export type ExemplarOf = (route: string, bucket: number) => Exemplar | undefined

const SPECIAL = /[\\"\n]/

const escaped = (value: string): string => (SPECIAL.test(value) ? withEscapes(value) : value)

const withEscapes = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** The labels of a sample without their braces. */
const pairsOf = (labels: LabelSet): string => {
  let pairs = ''
  for (const name of Object.keys(labels)) {
    pairs += `${pairs === '' ? '' : ','}${name.replaceAll('.', '_')}="${escaped(labels[name]!)}"`
  }
  return pairs
}

const labelsOf = (labels: LabelSet): string => {
  const pairs = pairsOf(labels)
  return pairs === '' ? '' : `{${pairs}}`
}

const textOf = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}

/** A bound as OpenMetrics wants it: a whole number has its zero. */
const boundOf = (bound: number | undefined, isOpen: boolean): string => {
  if (bound === undefined) return '+Inf'
  return isOpen && Number.isInteger(bound) ? `${bound}.0` : String(bound)
}

function head(family: Family, isOpen: boolean): string[] {
  const name = family.kind === 'counter' && !isOpen ? `${family.prometheus}_total` : family.prometheus
  const lines = [`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.kind}`]
  const unit = /_(seconds|ohms|ratio)$/.exec(family.prometheus)?.[1]
  return isOpen && unit !== undefined ? [...lines, `# UNIT ${name} ${unit}`] : lines
}

const numberLine = ({ prometheus, kind }: Family, { labels, value }: Point): string =>
  `${prometheus}${kind === 'counter' ? '_total' : ''}${labelsOf(labels)} ${textOf(value)}`

function histogramLines(
  { prometheus }: Family,
  { labels, counts, sumS }: HistogramPoint,
  isOpen: boolean,
  exemplarOf: ExemplarOf | undefined,
): string[] {
  const route = Object.values(labels)[0] ?? ''
  const pairs = pairsOf(labels)
  let below = 0
  const lines = counts.map((count, i) => {
    below += count
    const exemplar = isOpen ? exemplarOf?.(route, i) : undefined
    const shown =
      exemplar === undefined
        ? ''
        : ` # {trace_id="${escaped(exemplar.traceId)}"} ${exemplar.valueS} ${(exemplar.atMs / 1_000).toFixed(3)}`
    return `${prometheus}_bucket{${pairs},le="${boundOf(BOUNDS_S[i], isOpen)}"} ${below}${shown}`
  })
  return [
    ...lines,
    `${prometheus}_sum${labelsOf(labels)} ${textOf(sumS)}`,
    `${prometheus}_count${labelsOf(labels)} ${below}`,
  ]
}

/** The text of all series. @param exemplarOf finds exemplars of durations, which OpenMetrics alone has */
export function expositionOf({ points, histograms }: Series, isOpen: boolean, exemplarOf?: ExemplarOf): string {
  const lines: string[] = []
  for (const [key, family] of Object.entries(FAMILIES) as [FamilyKey, Family][]) {
    const numbers = points.get(key)
    const all = histograms.get(key)
    if (numbers === undefined && all === undefined) continue
    lines.push(...head(family, isOpen))
    for (const point of numbers ?? []) lines.push(numberLine(family, point))
    for (const point of all ?? []) {
      lines.push(...histogramLines(family, point, isOpen, key === 'duration' ? exemplarOf : undefined))
    }
  }
  if (isOpen) lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

/** The quality that an Accept header gives a type, [0, 1]; 0 where it does not name it. */
function qualityOf(accept: string, type: string): number {
  for (const range of accept.split(',')) {
    const [name, ...params] = range.split(';').map((part) => part.trim().toLowerCase())
    if (name !== type) continue
    const version = params.find((param) => param.startsWith('version='))
    if (version !== undefined && type === 'application/openmetrics-text' && !/^version="?1\.0\.0"?$/.test(version))
      continue
    const q = Number(params.find((param) => param.startsWith('q='))?.slice(2) ?? 1)
    return q >= 0 && q <= 1 ? q : 0
  }
  return 0
}

/** Returns whether a client prefers OpenMetrics. */
export function prefersOpenMetrics(accept: string | undefined | null): boolean {
  if (typeof accept !== 'string') return false
  const open = qualityOf(accept, 'application/openmetrics-text')
  return open > 0 && open >= qualityOf(accept, 'text/plain')
}
