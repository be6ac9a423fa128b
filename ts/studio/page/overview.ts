/** The parts of the page that show the whole: findings, the process, the tiers, the cluster, and logs. */

import type { ClusterState, Finding, ProcessState, TierState } from '../protocol.js'
import { Figures } from './detail.js'
import { byId, h, Keyed, setAttribute, setText } from './dom.js'
import { clock, count, duration, LEVEL_SIGNS, share } from './text.js'

const processFigures = new Figures(byId('process'))
const clusterFigures = new Figures(byId('cluster'))

/** @param openRoute opens the view of a route by its key */
export function findingsView(openRoute: (key: string) => void): (findings: readonly Finding[]) => void {
  const findingList = new Keyed<Finding, HTMLLIElement>(
    byId('finding-list'),
    ({ key, route }) => {
      const name =
        key === undefined ? h('b') : h('button', { type: 'button', class: 'plain', on: () => openRoute(key) }, h('b'))
      return h(
        'li',
        {},
        h('b', { class: 'title' }),
        ...(route === undefined ? [] : [' – ', name]),
        h('p'),
        h('p', { class: 'quiet' }),
      )
    },
    (element, { level, title, route, evidence, next, cause }) => {
      setAttribute(element, 'class', level)
      setAttribute(element, 'data-cause', cause)
      setText(element.querySelector('.title')!, `${LEVEL_SIGNS[level]} ${title}`)
      if (route !== undefined) setText(element.querySelector('b:not(.title)')!, route)
      const [says, more] = element.querySelectorAll('p')
      setText(says!, evidence)
      setText(more!, next ?? '')
    },
  )
  return (findings) => {
    const shown: readonly Finding[] =
      findings.length > 0
        ? findings
        : [
            {
              level: 'well',
              cause: 'none',
              title: 'All is well',
              evidence: 'No route refuses or fails more than it should.',
            },
          ]
    findingList.show(shown, ({ cause, key, route }) => `${cause} ${key ?? ''} ${route ?? ''}`)
    const [first] = shown
    setText(
      byId('announce'),
      first === undefined ? '' : `${first.title}${first.route === undefined ? '' : `: ${first.route}`}`,
    )
    document.title =
      first === undefined || first.level === 'well'
        ? 'Atrion Studio'
        : `${LEVEL_SIGNS[first.level]} ${first.route ?? first.title} – Studio`
  }
}

/** A log of entries by time. */
export function logOf<T>(
  id: string,
  element: (item: T) => (Node | string)[],
  trailing?: (item: T) => string,
): (items: readonly T[], key: (item: T) => string) => void {
  const list = new Keyed<T, HTMLLIElement>(
    byId(id),
    (item) => h('li', {}, ...element(item), ...(trailing ? [h('span', { class: 'trailing' })] : [])),
    (li, item) => trailing && setText(li.querySelector('.trailing')!, trailing(item)),
  )
  const none = h('li', { class: 'quiet' }, 'Nothing.')
  byId(id).append(none)
  return (items, key) => {
    none.hidden = items.length > 0
    list.show(items, key)
  }
}

export function showProcess(it: ProcessState): void {
  const mark = (isBad: boolean): string => (isBad ? '!' : '')
  processFigures.show([
    ['Loop late by', `${mark(it.longestBlockMs >= 250)}${duration(it.loopMs)}`],
    [
      'Blocks in 15 s',
      `${mark(it.blocks > 2)}${it.blocks === 0 ? 'none' : `${it.blocks}, up to ${duration(it.longestBlockMs)}`}`,
    ],
    ['Loop busy', `${mark(it.utilization > 0.95)}${share(it.utilization)}`],
    ['Queue age', `${mark(it.queueAgeMs > 200)}${duration(it.queueAgeMs)}`],
    ['Accept queue', `${mark(it.acceptQueueMs > 200)}${duration(it.acceptQueueMs)}`],
    ['Heap', `${mark(it.heap > 0.9)}${share(it.heap)}`],
    ['Engine', it.hasClosedLoop ? it.engine : `${it.engine}: no closed loop, so no limits, tiers or causes`],
    ...(it.isDryRun ? [['Dry run', '!everything is admitted'] as const] : []),
  ])
}

const tierBody = h('tbody')
byId('tiers').append(
  h('caption', { class: 'unseen' }, 'Success by tier, now and five minutes ago'),
  h(
    'thead',
    {},
    h(
      'tr',
      {},
      ...['Tier', 'Success now', '5 min ago', 'Requests/s', 'Lost/s'].map((text) => h('th', { scope: 'col' }, text)),
    ),
  ),
  tierBody,
)
const tierRows = new Keyed<TierState, HTMLTableRowElement>(
  tierBody,
  ({ tier }) => h('tr', {}, h('th', { scope: 'row' }, tier), h('td', {}, h('b')), h('td'), h('td'), h('td')),
  (row, { success, before, perS, shedPerS }) => {
    const texts = [share(success), share(before), count(perS), count(shedPerS)]
    const level = success === null || success >= 0.98 ? '' : success >= 0.9 ? 'watch' : 'sick'
    const now = row.children[1]!.firstElementChild!
    setText(now, level === '' ? texts[0]! : `${LEVEL_SIGNS[level]} ${texts[0]}`)
    setAttribute(now, 'class', level)
    for (const [i, text] of texts.entries()) if (i > 0) setText(row.children[i + 1]!, text)
  },
)

export const showTiers = (tiers: readonly TierState[]): void => tierRows.show(tiers, ({ tier }) => tier)

export function showCluster(it: ClusterState): void {
  const counts = Object.entries(it.counts)
    .filter(([name, value]) => name !== 'nodes' && value > 0)
    .slice(0, 24)
  clusterFigures.show([
    ['State is kept by', it.provider],
    ['Other nodes', it.isShared ? (it.nodes === null ? 'not known' : count(it.nodes)) : 'not shared'],
    [
      'Store',
      it.isShared
        ? it.isDegraded
          ? `!gone${it.since === null ? '' : ` since ${clock(it.since)}`}: this process decides alone`
          : 'works'
        : 'none needed',
    ],
    ...counts.map(([name, value]) => [name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase(), count(value)] as const),
  ])
}
