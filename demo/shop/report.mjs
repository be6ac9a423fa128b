// The HTML report of the shop's demo.
import { bySecond, isGood } from '../figures.mjs'
import { chart, escapeHtml, page, settingsList, table } from '../page.mjs'
import { ENDPOINTS, GUARDS, loadAt, phaseOf } from './plan.mjs'

const MIDDLE_MS = 500

/** One series for each guard: a number for every second, of the requests that arrived in it. */
const perSecond = (runs, plan, figureOf) =>
  runs.map(({ guard, records }) => ({
    id: guard,
    name: GUARDS.find(({ id }) => id === guard).name,
    points: bySecond(records, plan.runMs)
      .map((second, i) => [i * 1000 + MIDDLE_MS, figureOf(second)])
      .filter(([, value]) => value !== undefined),
  }))

const successOf = (endpoint) => (records) => {
  const own = records.filter((record) => record.endpoint === endpoint)
  return own.length === 0 ? undefined : (100 * own.filter(isGood).length) / own.length
}

/** @returns {string} the page */
export function writeReport({ plan, settings, runs, comparison, losses }) {
  const { runMs } = plan
  const spans = [
    { ...phaseOf(plan, 'rising'), name: 'rising' },
    { ...phaseOf(plan, 'peak'), name: `${loadAt(plan, phaseOf(plan, 'peak').fromMs)} × capacity` },
    { ...phaseOf(plan, 'zombie'), name: 'zombie' },
  ]
  const draw = (title, unit, figureOf) => chart({ runMs, spans, title, unit, series: perSecond(runs, plan, figureOf) })
  const charts = ENDPOINTS.map(
    ({ route, tier }, i) => `<h2>${escapeHtml(route)} (${tier}): answered well, %</h2>
${draw(`Success of ${route}`, '%', successOf(i))}`,
  )
  const body = `<h1>A shop under four times its capacity, then with a zombie dependency</h1>
<p>The same requests, behind each guard in turn. Everything here was measured in one run of the demo, Node ${escapeHtml(process.version)}, engine ${escapeHtml(runs.at(-1).engine)}.</p>
${table(comparison)}
<h2>Where Atrion loses</h2>
${losses.length === 0 ? '<p>Nowhere in this run.</p>' : `<ul>${losses.map((loss) => `<li>${escapeHtml(loss)}</li>`).join('')}</ul>`}
<h2>Good answers, by the second in which the request arrived</h2>
<p>Right, and within the deadline.</p>
${draw('Good answers a second', 'requests', (records) => records.filter(isGood).length)}
${charts.join('\n')}
<h2>Settings</h2>
${settingsList(settings)}`
  return page('Atrion and a shop', body)
}
