/** The page: sliders in, plots out, a frame at a time. */
import { Atrion } from './atrion/esm/stream.mjs'
import { Plot, sharpen } from './plot.mjs'
import { ROUTES, TIERS, World } from './world.mjs'

/** Virtual time that a frame may cover, ms: a tab that was hidden does not catch up. */
const LONGEST_FRAME_MS = 100
/** Points of the plots are so far apart, ms. */
const POINT_MS = 250
const SPIKE_MS = 10_000
const SPIKE_LOAD = 5
const GRID_COLUMNS = 20
/** Frames whose work is remembered. */
const FRAMES_KEPT = 600

const times = (x) => `${x.toFixed(1)}×`
const ms = (x) => `${x} ms`
const percent = (x) => `${Math.round(x * 100)} %`
const ohms = (x) => `${x} Ω`
const plain = (x) => String(x)

/** id, label, least, most, step, default, how it reads. */
const LOAD = [
  ['load', 'Load ÷ capacity', 0.1, 10, 0.1, 0.8, times],
  ['mix', 'Importance of traffic', 0, 1, 0.05, 0.5, percent],
  ['serviceMs', 'Service time', 5, 200, 5, 20, ms],
  ['errors', 'Errors', 0, 1, 0.01, 0.01, percent],
  ['deadlineMs', 'Deadline', 100, 2000, 50, 500, ms],
]
const PHYSICS = [
  ['baseResistance', 'Base resistance', 1, 100, 1, 10, ohms],
  ['decayRate', 'Decay rate λ', 0, 2, 0.05, 0.1, (x) => `${x} /s`],
  ['scarFactor', 'Scar factor', 0, 50, 1, 5, ohms],
  ['dampingFactor', 'Damping factor', 0, 500, 10, 20, plain],
  ['criticalPressure', 'Critical pressure', 0, 1.7, 0.05, 0.7, plain],
  ['breakMultiplier', 'Break multiplier', 1.5, 30, 0.5, 10, times],
  ['bootstrapTicks', 'Bootstrap ticks', 0, 50, 1, 10, plain],
  ['minDeltaT', 'Window', 20, 1000, 20, 100, ms],
  ['tanhScale', 'Tanh scale k', 0.1, 4, 0.1, 1, plain],
]

const byId = (id) => document.getElementById(id)

/** A labelled slider for each number of a group. */
const addSliders = (group, numbers) => {
  const parent = document.querySelector(`[data-group="${group}"]`)
  for (const [id, text, min, max, step, value, reads] of numbers) {
    const label = document.createElement('label')
    const input = Object.assign(document.createElement('input'), { type: 'range', id, min, max, step })
    input.setAttribute('value', value)
    const output = document.createElement('output')
    output.htmlFor = id
    const show = () => {
      output.textContent = reads(Number(input.value))
      input.setAttribute('aria-valuetext', output.textContent)
    }
    input.addEventListener('input', show)
    byId('controls').addEventListener('reset', () => setTimeout(show))
    label.append(text, input, output)
    parent.append(label)
    show()
  }
}

const readSettings = () => {
  const read = (numbers) => Object.fromEntries(numbers.map(([id]) => [id, Number(byId(id).value)]))
  return { ...read(LOAD), physics: read(PHYSICS) }
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
const sortedOf = (latencies) => Float64Array.from(latencies).sort()

addSliders('load', LOAD)
addSliders('physics', PHYSICS)
const world = new World((options) => new Atrion({ engine: 'wasm', ...options }), readSettings())
world.advance(1)
const [navigation] = performance.getEntriesByType('navigation')
const demo = {
  frames: 0,
  /** The costs of the last frames, ms of script each; frame n is at n modulo its length. */
  workMs: new Float64Array(FRAMES_KEPT),
  firstDecisionMs: performance.now() - (navigation?.responseEnd ?? 0),
}
globalThis.demo = demo
byId('status').textContent =
  `Engine '${world.engine}', first decision ${Math.round(demo.firstDecisionMs)} ms after the page had arrived.`

const plots = byId('plots')
const terms = new Plot(plots, 'Resistance R and its terms, Ω', ['R', 'R_base', 'P·W', 'D·M', 'S', 'crowd'], 50)
const admitted = new Plot(plots, 'Admitted, a second', TIERS, 10)
const shed = new Plot(plots, 'Shed, a second', TIERS, 10)
const latency = new Plot(plots, 'Latency, ms', ['p50', 'p99', 'p50 without', 'p99 without'], 100)
const limit = new Plot(plots, 'Limit and requests inside', ['limit', 'in flight', 'inside without'], 10)
const goodput = new Plot(plots, 'In time, a second', ['offered', 'with Atrion', 'without'], 100)
const all = [terms, admitted, shed, latency, limit, goodput]

/** Sums over the last second, for the table. */
let recent = []

const addPoint = () => {
  const point = world.read(POINT_MS / 1000)
  const { perSecond, stats, inside } = point
  const [guarded, bare] = point.latencies.map(sortedOf)
  terms.add(Object.values(point.terms))
  admitted.add(TIERS.map((tier) => perSecond(point.admitted[tier])))
  shed.add(TIERS.map((tier) => perSecond(point.shed[tier])))
  latency.add([quantile(guarded, 0.5), quantile(guarded, 0.99), quantile(bare, 0.5), quantile(bare, 0.99)])
  limit.add([stats.limit, stats.inFlight, inside[1]])
  goodput.add([perSecond(point.offered), perSecond(point.inTime[0]), perSecond(point.inTime[1])])
  recent = [...recent, point].slice(-Math.round(1000 / POINT_MS))
  fillTable(stats.mode)
}

const fillTable = (mode) => {
  const sum = (key, side) => recent.reduce((total, point) => total + point[key][side], 0)
  const p99 = (side) => Math.round(quantile(sortedOf(recent.flatMap((point) => point.latencies[side])), 0.99))
  const refused = recent.reduce((total, point) => total + Object.values(point.shed).reduce((a, b) => a + b, 0), 0)
  const rows = [
    ['answered in time', sum('inTime', 0), sum('inTime', 1)],
    ['answered too late', sum('late', 0), sum('late', 1)],
    ['failed', sum('failed', 0), sum('failed', 1)],
    ['refused at once', refused, 0],
    ['p99 latency, ms', p99(0), p99(1)],
    ['mode', mode.toLowerCase().replace('_', ' '), '–'],
  ]
  byId('totals').replaceChildren(
    ...rows.map(([name, ...values]) => {
      const row = document.createElement('tr')
      const head = Object.assign(document.createElement('th'), { scope: 'row', textContent: name })
      row.append(head, ...values.map((value) => Object.assign(document.createElement('td'), { textContent: value })))
      return row
    }),
  )
}

const drawGrid = (colours) => {
  const { context, width } = sharpen(byId('grid'))
  const cell = width / GRID_COLUMNS
  for (let i = 0; i < ROUTES; i++) {
    const [resistance, mode] = [world.routes[i * 2], world.routes[i * 2 + 1]]
    const x = (i % GRID_COLUMNS) * cell
    const y = Math.floor(i / GRID_COLUMNS) * cell
    context.globalAlpha = 0.12 + 0.88 * Math.min(1, resistance / 100)
    context.fillStyle = colours.accent
    context.fillRect(x + 1, y + 1, cell - 2, cell - 2)
    if (mode !== 2) continue
    // An open breaker is crossed out: colour alone is not visible to every reader.
    context.globalAlpha = 1
    context.strokeStyle = colours.text
    context.beginPath()
    context.moveTo(x + 2, y + 2)
    context.lineTo(x + cell - 2, y + cell - 2)
    context.stroke()
  }
  context.globalAlpha = 1
}

const coloursOf = () => {
  const style = getComputedStyle(document.documentElement)
  return Object.fromEntries(
    ['text', 'soft', 'line', 'accent'].map((name) => [name, style.getPropertyValue(`--${name}`)]),
  )
}

let colours = coloursOf()
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  colours = coloursOf()
})

let isPaused = false
let spikeUntilMs = 0
let lastMs = performance.now()
let sinceMs = 0

const settle = () => {
  const settings = readSettings()
  world.configure({ ...settings, load: world.nowMs < spikeUntilMs ? SPIKE_LOAD : settings.load })
}
byId('controls').addEventListener('input', settle)
byId('controls').addEventListener('reset', () => setTimeout(settle))
byId('pause').addEventListener('click', ({ target }) => {
  isPaused = !isPaused
  target.setAttribute('aria-pressed', String(isPaused))
  target.textContent = isPaused ? 'Go on' : 'Pause'
})
byId('spike').addEventListener('click', () => {
  spikeUntilMs = world.nowMs + SPIKE_MS
  settle()
})

const frame = (nowMs) => {
  const startedAt = performance.now()
  const elapsedMs = Math.min(Math.max(nowMs - lastMs, 0), LONGEST_FRAME_MS)
  lastMs = nowMs
  if (!isPaused) {
    const wasSpiking = world.nowMs < spikeUntilMs
    world.advance(elapsedMs)
    if (wasSpiking && world.nowMs >= spikeUntilMs) settle()
    sinceMs += elapsedMs
    if (sinceMs >= POINT_MS) {
      sinceMs -= POINT_MS
      addPoint()
      for (const plot of all) plot.draw(colours)
    }
    drawGrid(colours)
  }
  demo.workMs[demo.frames++ % FRAMES_KEPT] = performance.now() - startedAt
  requestAnimationFrame(frame)
}
requestAnimationFrame(frame)
