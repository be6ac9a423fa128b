// The HTML report of the open loop's demo.
import { bySecond } from '../figures.mjs'
import { chart, escapeHtml, page, settingsList, table } from '../page.mjs'
import { CLASSES } from './plan.mjs'

/** One series a guard: how many records of each second `matches`. */
const perSecond = (runs, plan, matches) =>
  runs.map(({ guard, records }) => ({
    id: guard,
    name: guard === 'atrion' ? 'Atrion' : 'classic',
    points: bySecond(records, plan.runMs).map((second, i) => [i * 1000 + 500, second.filter(matches).length]),
  }))

/** @returns the page */
export function writeReport({ plan, settings, classic, atrion, comparison, order }) {
  const runs = [classic, atrion]
  const isWasted = ({ outcome }) => outcome !== 'good' && outcome !== 'refused'
  const resistance = {
    id: 'atrion',
    name: 'R',
    points: atrion.samples.filter(({ atMs }) => atMs <= plan.runMs).map(({ atMs, resistance: ohms }) => [atMs, ohms]),
  }
  const { runMs } = plan
  const spans = [{ fromMs: plan.illAtMs, toMs: plan.healedAtMs, name: 'zombie' }]
  const marks = CLASSES.map(({ name, voltage }) => ({ y: voltage, name: `${name} ${voltage} V` }))
  const body = `<h1>A dependency turns zombie, and heals</h1>
<p>The same requests twice against the same dependency: behind a static health check with a classic breaker (opossum), and
behind Atrion. Everything here was measured in one run of the demo, Node ${escapeHtml(process.version)}, engine ${escapeHtml(atrion.engine)}.</p>
${table(comparison)}
<h2>Resistance of the route, Ω</h2>
<p>A request flows when its voltage is above R. A line that R has risen above is a class that is being refused.</p>
${chart({ runMs, spans, title: 'Resistance over time', series: [resistance], unit: 'Ω', marks })}
${table(order)}
<h2>Good answers, by the second in which the request arrived</h2>
<p>Right, and within the deadline.</p>
${chart({ runMs, spans, title: 'Good answers a second', series: perSecond(runs, plan, ({ outcome }) => outcome === 'good'), unit: 'requests' })}
<h2>Requests wasted, by the second in which they arrived</h2>
<p>Sent to the dependency, and answered wrong, late or never.</p>
${chart({ runMs, spans, title: 'Requests wasted a second', series: perSecond(runs, plan, isWasted), unit: 'requests' })}
<h2>Settings</h2>
${settingsList(settings)}`
  return page('Atrion and a zombie dependency', body)
}
