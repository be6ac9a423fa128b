/** Atrion Studio's page: what is wrong and where, the person it hurts, the cause, the trend, and what may be done. */

import type {
  ActiveOrder,
  AuditEntry,
  Change,
  ClusterState,
  Finding,
  History,
  ProcessState,
  RouteDetail,
  RouteList,
  RouteRow,
  TierState,
} from '../protocol.js'
import { bars, Detail } from './detail.js'
import { byId, h, setAttribute, setText } from './dom.js'
import { setUpKeys } from './keys.js'
import { Live } from './live.js'
import { type Act, configureForm, dryRunForm, noteForm } from './may.js'
import { findingsView, logOf, showCluster, showProcess, showTiers } from './overview.js'
import { beginOf, columnOf, draw } from './plot.js'
import { Table } from './table.js'
import { CAUSE_TEXTS, clock, until } from './text.js'
import { setUpTheme } from './theme.js'

const HISTORY_MS = 5_000
/** Every so many of these while an hour is shown, of which little changes. */
const LONG_STEPS = 4
/** Colours of the causes, in their order, and of failures. */
const COLOURS = [3, 5, 1, 7, 4, 6, 2, 0, 0, 0]

const base = document.body.dataset.base ?? ''
let page = 0
let minutes = 5
let whole: History | undefined

const live = new Live(base, {
  hello: ({ role, name }) => {
    setText(byId('by'), role === 'write' ? `${name}: may change` : `${name}: may read`)
    showMay()
    void recall()
  },
  changed: (names) => show(new Set(names)),
  link: (state, text) => {
    setAttribute(byId('link'), 'data-state', state)
    setText(
      byId('link'),
      state === 'live' ? `live, every ${section<ProcessState>('process')?.intervalMs ?? 200} ms` : text,
    )
  },
})

const section = <T>(name: string): T | undefined => live.state[name] as T | undefined

const act: Act = {
  act: async (action) => {
    try {
      const { entry } = await live.act(action)
      alert(entry.text)
    } catch (error) {
      alert((error as Error).message)
    }
  },
  preview: async (key, changes) => {
    try {
      const { differences } = await live.preview(key, changes)
      if (differences.length === 0) alert('Nothing would change.')
      return differences
    } catch (error) {
      alert((error as Error).message)
      return []
    }
  },
}

let alertTimer: ReturnType<typeof setTimeout> | undefined
function alert(text: string): void {
  byId('alert').replaceChildren(h('p', {}, text))
  clearTimeout(alertTimer)
  alertTimer = setTimeout(() => byId('alert').replaceChildren(), 6_000)
}

const table = new Table({ open: openRoute, page: turnTo })
const detail = new Detail(act)
const showCauses = bars(byId('causes'))
const showFindings = findingsView(openRoute)

const timeOf = (at: number): HTMLElement => h('time', { datetime: new Date(at).toISOString() }, clock(at))
const showChanges = logOf<Change>('changes', ({ at, text, evidence }) => [
  timeOf(at),
  text,
  ...(evidence === undefined ? [] : [h('small', {}, evidence)]),
])
const showAudit = logOf<AuditEntry>('audit', ({ id, at, by, text, canUndo }) => [
  timeOf(at),
  `${by}: ${text}`,
  ...(canUndo && live.hello?.role === 'write'
    ? [h('button', { type: 'button', on: () => void act.act({ kind: 'undo', id }) }, 'Undo')]
    : []),
])
const showOrders = logOf<ActiveOrder>(
  'orders',
  ({ text, key }) => [
    key === null
      ? h('span', {}, text)
      : h('button', { type: 'button', class: 'plain', on: () => openRoute(key) }, text),
  ],
  (order) => ` – ${until(order.until)}`,
)

function showMay(): void {
  const isWriter = live.hello?.role === 'write'
  byId('may').replaceChildren(
    ...(isWriter
      ? [
          dryRunForm(() => section<ProcessState>('process')?.isDryRun === true, act),
          configureForm(null, act),
          noteForm(act),
        ]
      : [
          h(
            'p',
            { class: 'quiet' },
            'You may read only: changes need the role ‘write’ of authorize. Orders of code are shown all the same.',
          ),
        ]),
  )
}

const marks = (): number[] =>
  (section<Change[]>('changes') ?? []).filter(({ kind }) => kind !== 'transition').map(({ at }) => at)

function drawWhole(): void {
  if (whole === undefined) return
  const history = whole
  const seconds = columnOf(history, 'seconds')
  const names = Object.keys(CAUSE_TEXTS).filter((name) => history.columns.includes(name))
  const rate = (name: string) => {
    const of = columnOf(history, name)
    return (point: readonly (number | null)[]): number => of(point) / Math.max(1e-3, seconds(point))
  }
  const series = [...names, 'failed'].map((name, i) => ({
    name: CAUSE_TEXTS[name] ?? 'failed',
    colour: name === 'failed' ? 8 : (COLOURS[i] ?? 0),
    of: rate(name),
  }))
  const toMs = Date.now()
  const plot = {
    caption: 'Refused and failed',
    unit: 'requests/s',
    series,
    marks: marks(),
    fromMs: beginOf(history.points, toMs, minutes),
    toMs,
  }
  draw(byId('whole'), plot, history.points)
}

function showDetail(): void {
  const key = detail.key
  if (key === undefined) return
  detail.show(section<RouteDetail>('detail'), section<RouteRow>(`row.${key}`), minutes, marks())
}

function show(names: ReadonlySet<string>): void {
  const has = (name: string): boolean => names.has(name)
  if (has('findings')) showFindings(section<Finding[]>('findings') ?? [])
  if (has('process')) showProcess(section<ProcessState>('process')!)
  if (has('tiers')) showTiers(section<TierState[]>('tiers')!)
  if (has('causes')) showCauses(section<Record<string, number>>('causes')!)
  if (has('changes'))
    showChanges(section<Change[]>('changes')!, ({ at, text, evidence }) => `${at} ${text} ${evidence ?? ''}`)
  if (has('audit')) showAudit(section<AuditEntry[]>('audit')!, ({ id, canUndo }) => `${id} ${canUndo}`)
  if (has('orders')) showOrders(section<ActiveOrder[]>('orders')!, ({ text, key }) => `${text} ${key}`)
  if (has('cluster')) showCluster(section<ClusterState>('cluster')!)
  const list = section<RouteList>('list')
  if (list !== undefined) table.show(list, (key) => section<RouteRow>(`row.${key}`))
  showDetail()
}

function look(): void {
  const query = new URLSearchParams({ sort: byId<HTMLSelectElement>('sort').value, page: String(page) })
  const search = byId<HTMLInputElement>('q').value.trim()
  if (search !== '') query.set('q', search)
  if (detail.key !== undefined) query.set('route', detail.key)
  live.open(query.toString())
}

function turnTo(to: number): void {
  page = to
  look()
}

function openRoute(key: string): void {
  detail.open(key, live.hello, closeRoute)
  table.current = key
  look()
  byId('detail').focus()
  byId('detail').scrollIntoView({ block: 'nearest' })
}

function closeRoute(): void {
  const key = detail.key
  detail.close()
  table.current = undefined
  look()
  document.querySelector<HTMLElement>(`tr[data-key="${CSS.escape(key ?? '')}"] button`)?.focus()
}

/** Fetches the histories that are shown. */
async function recall(): Promise<void> {
  const key = detail.key
  const [all, one] = await Promise.all([
    live.history(minutes),
    key === undefined ? undefined : live.history(minutes, key),
  ])
  whole = all ?? whole
  drawWhole()
  if (key !== undefined && key === detail.key) detail.recall(one)
  showDetail()
}

setUpTheme()
setUpKeys({
  turn: (by) => table.turn(by),
  move: (by) => table.move(by),
  close: () => detail.key !== undefined && closeRoute(),
})

let typing: ReturnType<typeof setTimeout> | undefined
byId('q').addEventListener('input', () => {
  clearTimeout(typing)
  typing = setTimeout(() => turnTo(0), 150)
})
byId('search').addEventListener('submit', (event) => {
  event.preventDefault()
  turnTo(0)
})
byId('sort').addEventListener('change', () => turnTo(0))
byId('span').addEventListener('change', () => {
  minutes = Number(byId<HTMLSelectElement>('span').value)
  void recall()
})
let step = 0
setInterval(() => {
  step += 1
  const isDue = minutes <= 5 || step % LONG_STEPS === 0
  if (isDue && !document.hidden && live.hello !== undefined) void recall()
}, HISTORY_MS)
look()
